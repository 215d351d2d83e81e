"""Read files of tickets as people have them, row by row. Importing it loads neither numpy nor pandas nor pyarrow."""
