"""Text that wants to be more than text, in every place where a person may write some."""

import csv
import shutil

import quick_yaml

from tokwatt.reports.datasets import dataset_paths, load_datasets

PAYLOAD = (
    "<script>window.pwned=1</script></script><img src=x onerror=window.pwned=1>"
    "\"><svg onload=window.pwned=1> ' onfocus=window.pwned=1 [x](javascript:window.pwned=1)"
    " ![x](javascript:window.pwned=1) <javascript:window.pwned=1> [y]: javascript:alert(1)"
    " | a \\| `b` ``c`` *d* __e__ ~~f~~ <b>g</b> &lt;i&gt; &#x3c;u&#x3e; </td></table> -->"
    " {{ 7*7 }} {% raw %} ${7*7} $\\text{<img src=x onerror=window.pwned=1>}$"
    " :math:`\\text{<script>window.pwned=1</script>}` \u202egnp.exe\u2066 z\u200be\u200dr\u2060o"
    "\n\n# h\n\n| h |\n| --- |\n<div onclick=window.pwned=1>\n\tt"
)
KEY = " <img src=x onerror=window.pwned=1>|`*"
"""A key is shorter and printable."""

TEXTS = {"caption", "category", "claim", "label", "meaning", "name", "note", "reason", "source"}
TEXTS |= {"title"}
"""Keys whose values are text to read."""
NAMED = {("names",)}
"""Where every value is text to read, by the keys that lead there in `paper.yaml`."""


def infect(tree, keys=()):
    """A tree with the payload after every text to read, and how many texts that were."""
    if isinstance(tree, dict):
        pairs = {key: infect(value, (*keys, str(key))) for key, value in tree.items()}
        return {key: value for key, (value, _) in pairs.items()}, sum(n for _, n in pairs.values())
    if isinstance(tree, list):
        items = [infect(value, keys) for value in tree]
        return [value for value, _ in items], sum(n for _, n in items)
    is_text = keys and (keys[-1] in TEXTS or keys[:-1] in NAMED)
    return (tree + PAYLOAD, 1) if is_text and isinstance(tree, str) else (tree, 0)


def infected_params(params, out):
    """A copy of the parameter folder with every text infected, and how many texts there are."""
    count = 0
    for path in sorted(params.rglob("*.yaml")):
        tree, texts = infect(quick_yaml.load(path.read_text(encoding="utf-8")))
        if path.name == "published.yaml":
            tree["claims"] = {
                section + KEY: {place + KEY: claims for place, claims in places.items()}
                for section, places in tree["claims"].items()
            }
            texts += sum(1 + len(places) for places in tree["claims"].values())
        target = out / path.relative_to(params)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(quick_yaml.dump(tree), encoding="utf-8")
        count += texts
    return count


def infected_grids(grids, out):
    """Copies of datasets with every text in them infected that reports show."""
    out.mkdir(parents=True)
    for name, dataset in load_datasets(grids, dataset_paths(grids)).items():
        for variable in dataset.variables:
            array = dataset[variable]
            if "long_name" in array.attrs:
                array.attrs["long_name"] += PAYLOAD
            if variable in {"claim", "label", "meaning"}:
                dataset[variable] = (array.astype(object) + PAYLOAD).assign_attrs(array.attrs)
        dataset.to_netcdf(out / f"{name}.nc", engine="netcdf4")


def infected_figures(figures, out):
    """Copies of the published figures with a text infected in the numbers of each."""
    shutil.copytree(figures, out)
    for path in out.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            heads, first, *rows = csv.reader(file)
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([heads, [first[0] + PAYLOAD, *first[1:]], *rows])
