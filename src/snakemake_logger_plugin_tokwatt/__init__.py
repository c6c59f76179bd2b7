"""What a person who watches the workflow sees: a line for each job that is done, of how many."""

import logging
import sys

from snakemake.logging import DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent


class LogHandler(LogHandlerBase):
    """Writes `[12/47] table table1` when a job is done, and what is wrong as Snakemake does."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Nothing has begun and nothing is finished yet."""
        self.jobs: dict[int, str] = {}
        self.finished: list[str] = []
        self.setFormatter(DefaultFormatter(self.common_settings.quiet, show_failed_logs=True))

    def emit(self, record: logging.LogRecord) -> None:
        """Say what is done and what is wrong; what a dry run would do is said in full."""
        said = vars(record)
        event = said.get("event")
        if self.common_settings.dryrun or not (event or self.jobs):
            self._print(self.format(record))
        elif record.levelno > logging.INFO:
            said["input"] = []  # of a failed job: every file of code and parameters
            self._print(self.format(record))
        elif event == LogEvent.JOB_INFO:
            self.jobs[said["jobid"]] = " ".join([said["rule_name"], *said["wildcards"].values()])
        elif event == LogEvent.JOB_FINISHED:
            self.finished.append(self.jobs[said["job_id"]])
        elif event == LogEvent.PROGRESS:
            self._print(f"[{said['done']}/{said['total']}] {', '.join(self.finished)}")
            self.finished.clear()

    def _print(self, text: str) -> None:
        print(text, file=sys.stderr)
