"""The site: what the workflow has made, as pages that open from disk and ask no other host for anything.

`sources` reads, `pages` says what stands on each page, `templates` how it looks, `static` what
moves.
"""

from tokwatt.reports.site.pages import write
from tokwatt.reports.site.sources import check

__all__ = ["check", "write"]
