"""Classification of whole files of tickets by many workers."""
