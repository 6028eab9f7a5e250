"""evaluate, compare: what does a chip deliver on a job?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dse.commands.options import (
    MOST,
    MOST_CHIPS,
    AcceptanceOption,
    BuyerOption,
    CatalogueOption,
    ChipsLimit,
    DraftsOption,
    JsonOption,
    LeastQsnrOption,
    LossOption,
    ModelOption,
    ObjectiveOption,
    PriceBasisOption,
    TrafficOption,
    VolumeOption,
    print_json,
    print_ranking,
    print_table,
    say,
)

if TYPE_CHECKING:
    from dse.analysis.comparison import Candidate, Comparison, Job
    from dse.catalogue import Catalogue

__all__ = ["add_to"]


DEGREES = (
    "tensor_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "data_parallel",
    "context_parallel",
    "batch",
    "prefill_tokens",
)
"""Whole numbers of the mapping that may be given, in the order of the options."""


def degree(flag: str, text: str, most: int = MOST_CHIPS) -> Any:
    """An optional whole number of the mapping."""
    return typer.Option(flag, min=1, max=most, help=f"{text}; the best one when absent.")


def evaluate_command(
    chip: Annotated[str, typer.Option("--chip", help="A chip: a name, or the path of a .toml file.")],
    model: ModelOption,
    traffic: TrafficOption = "chat",
    chips: Annotated[int | None, degree("--chips", "Chips of the deployment")] = None,
    tensor: Annotated[int | None, degree("--tp", "Tensor parallel")] = None,
    pipeline: Annotated[int | None, degree("--pp", "Pipeline parallel")] = None,
    experts: Annotated[int | None, degree("--ep", "Expert parallel")] = None,
    data: Annotated[int | None, degree("--dp", "Data parallel (attention)")] = None,
    context: Annotated[int | None, degree("--cp", "Context parallel")] = None,
    batch: Annotated[int | None, degree("--batch", "Sequences in decode", MOST)] = None,
    prefill: Annotated[int | None, degree("--prefill-tokens", "Tokens of a prefill pass", MOST)] = None,
    pools: Annotated[bool | None, typer.Option("--separate-pools/--shared-pool", help="Prefill on own chips.")] = None,
    weights: Annotated[str | None, typer.Option("--weights", help="Format of the weights.")] = None,
    expert_weights: Annotated[
        str | None, typer.Option("--expert-weights", help="Of routed experts, if another.")
    ] = None,
    kv_cache: Annotated[str | None, typer.Option("--kv-cache", help="Format of the cache.")] = None,
    activations: Annotated[str | None, typer.Option("--activations", help="Format of the products.")] = None,
    drafts: DraftsOption = None,
    acceptance: AcceptanceOption = None,
    price_basis: PriceBasisOption = "tco",
    buyer: BuyerOption = "hyperscaler",
    volume: VolumeOption = None,
    min_qsnr: LeastQsnrOption = None,
    max_loss: LossOption = None,
    objective: ObjectiveOption = "tokens-per-dollar",
    most_chips: ChipsLimit = 1024,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """One chip on one job, under its best mapping or the one that is given.

    A chip that cannot do the job is an answer too: exit status 0, "feasible": false, and the reasons.
    """
    from dse.analysis.comparison import job_of
    from dse.analysis.quality import quality_asked
    from dse.catalogue import open_catalogue
    from dse.reporting.summary import metrics_json
    from dse.search.objective import metric_of

    found = open_catalogue(catalogue)
    degrees = (tensor, pipeline, experts, data, context, batch, prefill)
    given = dict(zip(DEGREES, degrees, strict=True)) | {"disaggregated": None if pools is None else int(pools)}
    model, traffic = found.adopt("transformer", model), found.adopt("traffic", traffic)
    formats = {"weights": weights, "expert_weights": expert_weights, "kv_cache": kv_cache, "activations": activations}
    limits = (max(most_chips, chips or 1), buyer, volume, quality_asked(min_qsnr, max_loss))
    job = job_of(found, model, traffic, price_basis, metric_of(objective), *limits)
    job = restricted_job(speculating(job, drafts, acceptance), given, chips)
    chip = found.adopt("chip", chip)
    candidate = candidate_of(found, job, chip, {key: value for key, value in formats.items() if value})
    if as_json:
        print_json(
            {"chip": candidate.name, "model": job.model, "traffic": job.traffic}
            | {"price_basis": job.price_basis, "buyer": job.buyer, "volume": job.volume}
            | metrics_json(candidate)
        )
        return
    show_candidate(candidate, job)


def speculating(job: Job, drafts: int | None, acceptance: float | None) -> Job:
    """The job with so many tokens drafted a step, of which such a share is kept; what is not given as in economics."""
    from dataclasses import replace

    asked = {"draft_tokens": drafts, "draft_acceptance": acceptance}
    given = {name: float(value) for name, value in asked.items() if value is not None}
    serving = replace(job.assumptions.serving, **given)
    return replace(job, assumptions=replace(job.assumptions, serving=serving))


def restricted_job(job: Job, given: dict[str, int | None], chips: int | None) -> Job:
    """The job with the mappings that the options leave open; CatalogueError when they leave none."""
    from dataclasses import replace

    from dse.best_mapping import mapping_lattice
    from dse.catalogue import CatalogueError, Problem

    wanted = {name: float(value) for name, value in given.items() if value is not None}
    if not wanted and chips is None:
        return job
    check_experts(given["expert_parallel"], job)
    mappings = mapping_lattice(
        job.transformer, job.requests, chips or job.most_chips, wanted, exactly=chips is not None
    )
    if not len(mappings.batch):  # pyright: ignore[reportArgumentType]
        text = ", ".join(f"{name} {value:g}" for name, value in wanted.items()) + (
            f" on {chips} chips" if chips else ""
        )
        rule = (
            "no mapping has these degrees: chips = tensor x context x pipeline x data parallel, batch >= data parallel"
        )
        raise CatalogueError([Problem(rule, value=text, way_out="leave one of them open")])
    return replace(job, mappings=mappings)


def check_expert_format(asked: str | None, job: Job) -> None:
    """CatalogueError when a model without experts is to keep them in a format, which would count as its noise."""
    from dse.catalogue import CatalogueError, Problem

    if asked and not float(job.transformer.experts.layers):
        rule, way_out = f"{job.model} has no experts", "leave it out, or give --weights"
        raise CatalogueError([Problem(rule, key="--expert-weights", value=repr(asked), way_out=way_out)])


def check_experts(asked: int | None, job: Job) -> None:
    """CatalogueError when experts shall be dealt to more groups than the model has experts."""
    from dse.catalogue import CatalogueError, Problem

    experts = job.transformer.experts
    held = int(experts.count) if float(experts.layers) > 0 else 0
    if asked is None or asked <= max(held, 1):
        return
    if held:
        rule, way_out = f"{job.model} has {held} experts in a layer, to deal to no more groups than that", ""
    else:
        rule, way_out = f"{job.model} has no experts to deal out", "leave --ep out, or take a mixture of experts"
    raise CatalogueError([Problem(rule, key="--ep", value=str(asked), way_out=way_out)])


def candidate_of(catalogue: Catalogue, job: Job, name: str, formats: dict[str, str]) -> Candidate:
    """A chip of the catalogue on a job, with other formats where asked."""
    from dse.analysis.comparison import evaluate_candidate, status_of
    from dse.catalogue.build import build_chips
    from dse.catalogue.numerics import activations_for, in_formats

    check_expert_format(formats.get("expert_weights"), job)
    entry = catalogue.entry("chip", name)
    asked = {key: catalogue.entry("format", value).name for key, value in formats.items()}
    if "weights" in asked:
        asked.setdefault("activations", activations_for(asked["weights"], entry.values, catalogue.library))
    values = in_formats(entry.values, asked)
    chip = build_chips(values, catalogue.library)
    title, status = str(getattr(entry.document, "title", name)), status_of(entry)
    return evaluate_candidate(job, entry.name, title, status, values, chip)


def show_candidate(candidate: Candidate, job: Job) -> None:
    """A candidate for a person: result, mapping, what binds, parts."""
    from dse.reporting.headline import pools_text
    from dse.reporting.summary import mapping_text, metrics_json, tightest
    from dse.reporting.tables import pools_of
    from dse.reporting.text import quantity, significant

    document = metrics_json(candidate)
    say(f"{candidate.title} on {job.model}, traffic {job.traffic}, price basis {job.price_basis}, {job.buyer}")
    if job.volume:
        say(f"  development of a chip without a market price is spread over {job.volume:,.0f} chips")
    if not candidate.feasible:
        say("infeasible under every mapping tried; the one that comes closest:")
        for reason in document["reasons"]:
            say(f"  {reason}")
        return
    numbers = document["metrics"]
    say(f"  mapping                 {mapping_text(candidate.mapping)}")
    say(f"  chips                   {pools_text(*pools_of(candidate))}")
    say(f"  {'':<24}{'':<34}80 % range")
    rate = f"{numbers['output_tokens_per_s']:,.0f} /s, {numbers['output_tokens_per_s_per_chip']:,.0f} /s per chip"
    user = f"{numbers['output_tokens_per_s_per_user']:.1f} tokens/s"
    cost = f"{numbers['usd_per_million_output_tokens']:.3f} USD per million tokens"
    energy = f"{numbers['tokens_per_joule']:.3f} tokens/J, {numbers['power_w_per_chip']:.0f} W per chip"
    for label, text, name, dimension in (
        ("output tokens", rate, "output_tokens_per_s", "1/s"),
        ("per user", user, "output_tokens_per_s_per_user", "1/s"),
        ("time to first token", quantity(numbers["time_to_first_token_s"], "s"), "time_to_first_token_s", "s"),
        ("time per output token", quantity(numbers["time_per_output_token_s"], "s"), "time_per_output_token_s", "s"),
        ("cost", cost, "usd_per_million_output_tokens", "1"),
        ("energy", energy, "tokens_per_joule", "1"),
    ):
        ends = [document["ranges"][name][end] for end in ("low", "high")]
        shown = [quantity(end, "s") if dimension == "s" else significant(end) for end in ends]
        say(f"  {label:<24}{text:<34}{shown[0]} to {shown[1]}")
    say(f"  formats                 {quality_text(candidate)}")
    say(f"  decode is bound by      {document['binds']}")
    room = [f"{name.replace('_', ' ')} {100.0 * left:.0f} %" for name, left in tightest(candidate.metrics)]
    say(f"  least room left         {', '.join(room)}")
    for phase in ("prefill", "decode"):
        parts = document["breakdown"][phase]
        say(f"  {phase} pass of a stage  {1e3 * parts['time_s']:.3f} ms")
        for name, seconds in sorted(parts["classes"].items(), key=lambda item: -abs(item[1])):
            if seconds:
                say(f"    {name:<22}{1e3 * seconds:10.3f} ms")


def quality_text(candidate: Candidate) -> str:
    """Formats of a candidate and what they cost in quality."""
    from dse.reporting.tables import formats_of
    from dse.reporting.text import quantity, significant

    metrics = candidate.metrics
    level, loss = quantity(float(metrics.qsnr), "dB"), significant(100.0 * float(metrics.accuracy_loss), 2)
    return f"{formats_of(candidate)}: signal over noise {level}, loss of a sentence model {loss} %"


def compare_command(
    model: ModelOption,
    traffic: TrafficOption = "chat",
    chips: Annotated[
        str,
        typer.Option("--chips", help="Names or paths of .toml files with commas, or `all`; NAME@BASIS with --mixed."),
    ] = "all",
    price_basis: PriceBasisOption = "tco",
    buyer: BuyerOption = "hyperscaler",
    volume: VolumeOption = None,
    min_qsnr: LeastQsnrOption = None,
    max_loss: LossOption = None,
    objective: ObjectiveOption = "tokens-per-dollar",
    report: Annotated[Path | None, typer.Option("--report", help="Folder for a report with figures.")] = None,
    front: Annotated[
        bool, typer.Option("--front", help="Also tokens/s per chip at several tokens/s per user; --report plots it.")
    ] = False,
    mixed: Annotated[
        bool, typer.Option("--mixed-bases", help="Let NAME@BASIS put chips on different price bases; each is printed.")
    ] = False,
    most_chips: ChipsLimit = 1024,
    catalogue: CatalogueOption = None,
    as_json: JsonOption = False,
) -> None:
    """The same job on several chips, ranked."""
    from dse.analysis.comparison import compare_on_bases, job_of
    from dse.analysis.quality import quality_asked
    from dse.catalogue import open_catalogue
    from dse.reporting.interactivity import interactivity, interactivity_table
    from dse.reporting.provenance import marked
    from dse.search.objective import metric_of

    found = open_catalogue(catalogue)
    model, traffic = found.adopt("transformer", model), found.adopt("traffic", traffic)
    limits = (most_chips, buyer, volume, quality_asked(min_qsnr, max_loss))
    job = job_of(found, model, traffic, price_basis, metric_of(objective), *limits)
    comparison = marked(compare_on_bases(found, job, priced_chips(found, chips, price_basis, mixed)), found)
    page: Path | None = None
    if report is not None:
        from dse.reporting import write_report

        page = write_report(report, comparison, None, found)
    if as_json:
        print_json(comparison_json(comparison, front))
        return
    print_ranking(comparison)
    if front:
        print_table(interactivity_table(interactivity(comparison, {})))
    if page is not None:
        say(f"report: {page}")


def comparison_json(comparison: Comparison, front: bool) -> dict[str, Any]:
    """A comparison as a document; front: with the fronts of its chips."""
    from dse.reporting.interactivity import front_json
    from dse.reporting.summary import metrics_json

    job = comparison.job
    head = {"model": job.model, "traffic": job.traffic, "price_basis": job.price_basis, "buyer": job.buyer}
    rows = [
        {"chip": c.name, "status": c.status, "price_basis": c.price_basis, "market_price": c.market_price}
        | {"level_with_first": comparison.level(c)}
        | metrics_json(c)
        | ({"front": front_json(c)} if front else {})
        for c in comparison.candidates
    ]
    return head | {"volume": job.volume, "mixed_bases": comparison.mixed, "chips": rows}


def priced_chips(catalogue: Catalogue, text: str, basis: str, mixed: bool) -> list[tuple[str, str]]:
    """Chips with the price basis of each, from NAME or NAME@BASIS with commas, or `all` of them.

    CatalogueError for a basis beside the one of the comparison, unless that is asked for.
    """
    from dse.catalogue import CatalogueError, Problem, list_entries
    from dse.catalogue.build import PRICE_BASES

    if text == "all":
        return [(entry["name"], basis) for entry in list_entries("chip", catalogue)]
    found = []
    for item in map(str.strip, text.split(",")):
        name, at, own = item.rpartition("@")
        found.append((name, own) if at and own in PRICE_BASES else (item, basis))
    others = sorted({own for _, own in found} - {basis})
    if others and not mixed:
        rule = f"asks for the price basis {', '.join(others)} beside {basis}: dollars of different bases do not compare"
        way_out = "leave @BASIS out, or ask for it with --mixed-bases; the basis is then printed beside each result"
        raise CatalogueError([Problem(rule, key="--chips", value=repr(text), way_out=way_out)])
    return [(catalogue.adopt("chip", name), own) for name, own in found]


def add_to(app: Any) -> None:
    """Register the commands of this file."""
    app.command("evaluate")(evaluate_command)
    app.command("compare")(compare_command)
