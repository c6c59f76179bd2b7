"""The site: what the workflow has made, as pages that open from disk and need no other host.

`sources` reads, `pages` says what each page holds, `templates` how it looks, `static` what moves.
"""

from tokwatt.reports.site.pages import write_site
from tokwatt.reports.site.sources import check_site

__all__ = ["check_site", "write_site"]
