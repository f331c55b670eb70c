"""A run's jobs on this machine, without their imports: forks of processes that have imported the libraries.

`start` starts the server beside Snakemake. `python` on the PATH of its jobs is workflow/bin/local/python, which runs
`client` in the job's place: it sends command line, directory, environment and streams to the `server`. The server
passes them on to the `zygote` of that stage and environment, which forks the job. The job itself imports the package's
own modules, as they are on disk then. Whatever goes wrong before the fork, the client becomes the plain process.
"""
