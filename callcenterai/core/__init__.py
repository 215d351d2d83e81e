"""What every command needs: its command line, files, parameters and workers."""
