"""What every command needs: command line, files, parameters, Dask workers."""
