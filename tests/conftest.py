"""Types and array shapes of every public function are checked while the tests run."""

from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook("dse", "beartype.beartype")
settings.register_profile("default", deadline=None, max_examples=50)
settings.load_profile("default")

pytest_plugins = ["catalogue_files", "servers"]
