"""Studies of what was measured, every account beside it.

========================  ======================================================================
Study                     Dataset
========================  ======================================================================
`runs`                    what was measured and what each account says, over account x run
`errors`                  relative errors of accounts, over GPU x LLM x account
`series_ratios`           tokens per joule of one series over another's, over pair x account x batch
`calibrated_errors`       errors, intervals and targets of the calibration, over GPU x kind of LLM
`parameters`              the calibrated parameters and their ranges, over parameter
`window_sweep`            the sweep over context windows, over account x context window
`kernel_bounds`           the bound for mixtures of experts by measured kernels, over LLM x GPU
========================  ======================================================================
"""

from tokwatt.studies.measured.calibration import calibrated_errors, parameters
from tokwatt.studies.measured.kernels import kernel_bounds
from tokwatt.studies.measured.runs import errors, runs, series_ratios
from tokwatt.studies.measured.sweep import window_sweep

__all__ = [
    "calibrated_errors",
    "errors",
    "kernel_bounds",
    "parameters",
    "runs",
    "series_ratios",
    "window_sweep",
]
