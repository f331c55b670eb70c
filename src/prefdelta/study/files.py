"""The paths of one study's files, relative to the working directory: `core.layout` below `results/<study>/`."""

from prefdelta.core import layout


class Files:
    """Paths are relative so that the command line in a log can be pasted into a shell."""

    def __init__(self, study: str) -> None:
        self.results = layout.results(study)
        self.record = f"{self.results}/record"

    def output(self, kind: str, **axes: str) -> str:
        """The output of a job, or of one of its arms."""
        return f"{self.results}/{layout.output(kind, **axes)}"

    def manifest(self, name: str) -> str:
        """The manifest of a job. name: the job's."""
        return f"{self.results}/{layout.manifest(name)}"

    def log(self, name: str) -> str:
        """The log of a job. name: the job's."""
        return f"{self.results}/{layout.log(name)}"

    def folders(self, kind: str) -> list[str]:
        """A job's further outputs: folders."""
        return [f"{self.results}/{folder}" for folder in layout.FOLDERS.get(kind, ())]
