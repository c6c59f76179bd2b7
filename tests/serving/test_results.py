"""Results are plain numbers, shown with their units; what cannot be asked is refused in words."""

import re

import html5lib
import jax
import pytest

import tokwatt as tw
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.params.errors import ParameterError
from tokwatt.serving.point import OperatingPoint, operating_point
from tokwatt.serving.pools.fleet import Fleet
from tokwatt.serving.pools.pool import Pool
from tokwatt.serving.steps.step import Step
from tokwatt.units import units_of

RESULTS = [OperatingPoint, Fleet, Step, Pool]


@pytest.fixture(scope="module")
def subject(parameters):
    llm, precision = parameters.llms["llama-3.1-70b"], parameters.precisions["bfloat16"]
    account = AssumptionSets(parameters).account("consistent")
    return account, parameters.deployment(parameters.boards["H100"], llm, precision, 8.0)


@pytest.mark.parametrize("kind", RESULTS, ids=lambda kind: kind.__name__)
def test_a_result_shows_each_number_with_its_unit(kind):
    result = kind(*(number + 0.5 for number in range(len(kind._fields))))
    lines = repr(result).splitlines()
    assert lines[0] == kind.__name__
    for line, (name, value) in zip(lines[1:], result._asdict().items(), strict=True):
        unit = units_of(kind)[name]
        assert line.split() == [name, f"{value:g}", *([] if unit == "1" else [unit])]
    page = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parseFragment(
        result._repr_html_()
    )
    shown = [[cell.text for cell in row] for row in page.iter("tr")]
    assert [row[0] for row in shown] == [name.replace("_", " ") for name in kind._fields]
    assert [float(row[1]) for row in shown] == list(result)


def test_an_operating_point_is_plain_numbers(subject):
    point = operating_point(*subject, 4096.0, 0.5, 4.0)
    assert [type(value) for value in point] == [float] * len(point)


def test_what_jax_traces_stays_traced(subject):
    slope = jax.grad(lambda window: operating_point(*subject, window, 0.5, 4.0).tokens_per_joule)
    assert slope(4096.0) < 0


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"context_window": -1}, "context_window: is -1, wanted a positive number of at most"),
        ({"context_window": 0.0}, "context_window: is 0, wanted a positive number"),
        ({"context_window": float("nan")}, "context_window: is nan, wanted a positive number"),
        ({"mean_fill": 0}, "mean_fill: is 0, wanted a positive number."),
        ({"utilization": 7}, "utilization: is 7, wanted a number that is not negative of at most"),
        ({"prompt_ratio": -0.1}, "prompt_ratio: is -0.1, wanted a number that is not negative."),
        ({"batch": -5.0}, "batch: is -5, wanted a positive number."),
    ],
)
def test_a_number_outside_its_domain_is_refused_in_words(subject, change, sentence):
    numbers = {"context_window": 4096.0, "mean_fill": 0.5, "prompt_ratio": 4.0} | change
    with pytest.raises(ParameterError, match=re.escape(sentence)):
        tw.operating_point(*subject, **numbers)


def test_a_catalogue_says_where_it_is_and_what_it_holds(parameters):
    text = repr(parameters)
    assert text.startswith(f"Catalogue({str(parameters.folder)!r}): ")
    assert f"{len(parameters.gpus)} GPUs, {len(parameters.llms)} LLMs" in text
