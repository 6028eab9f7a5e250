"""What is shown: data of each table and figure first, drawing second."""
