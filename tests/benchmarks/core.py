"""Speed and accuracy of the core: `python -m tests.benchmarks.core`, one thread, compiled.

Prints nanoseconds per element of sample derivatives and samplers beside torch's, then one line per distribution of the
registry: the worst relative error of its derivative against the mpmath table, and the time of a draw with its gradient.
Variants take turns within one run, and the least time over the turns is printed. With --update the numbers go to
outputs/reference/core/benchmark.json, and the tables of outputs/reference/core.md are made of them; --only measures one
distribution.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from irg_experiments import implicit
from irg_experiments.implicit import special
from irg_experiments.implicit.sampling import standard_gamma, standard_log_gamma, standard_von_mises
from irg_experiments.results.record import git_commit, machine
from irg_experiments.results.table import Table, markdown
from tests.implicit.registry import REGISTRY, Row
from tests.truth.tables import sample_grad_truth

ELEMENTS, TURNS = 1_000_000, 7
REFERENCE = Path(__file__).parents[2] / "outputs" / "reference"
RECORD, PAGE = REFERENCE / "core" / "benchmark.json", REFERENCE / "core.md"

Variants = dict[str, Callable[[], Any]]


def least_times(variants: Variants, elements: int, turns: int = TURNS) -> dict[str, float]:
    """Nanoseconds per element of each variant, the least over the turns; one turn before them compiles."""
    times = dict.fromkeys(variants, math.inf)
    for turn in range(turns + 1):
        for name, function in variants.items():
            start = time.perf_counter()
            function()
            if turn:
                times[name] = min(times[name], time.perf_counter() - start)
    return {name: seconds * 1e9 / elements for name, seconds in times.items()}


def log_uniform(low: float, high: float, dtype: torch.dtype, elements: int = ELEMENTS) -> Tensor:
    return torch.empty(elements, dtype=dtype).uniform_(math.log(low), math.log(high)).exp_()


def derivative_variants(dtype: torch.dtype) -> dict[str, Variants]:
    """The sample derivatives, beside torch's where it has one."""
    a, b, df = (log_uniform(*bounds, dtype) for bounds in ((1e-2, 1e4), (1e-2, 1e3), (0.3, 1e4)))
    concentration = log_uniform(1e-3, 1e5, dtype)
    z, small = standard_gamma(a).clamp(min=torch.finfo(dtype).tiny), a.clamp(max=1e3)
    unit = implicit.Beta(small, b).sample()
    t, angle = implicit.StudentT(df).sample(), standard_von_mises(concentration)
    total = small + b
    return {
        "gamma_sample_grad": {
            "this package": lambda: special.gamma_sample_grad(a, z),
            "torch": lambda: torch._standard_gamma_grad(a, z),
        },
        "beta_sample_grad (both)": {
            "this package": lambda: special.beta_sample_grad(small, b, unit),
            "torch": lambda: (torch._dirichlet_grad(unit, small, total), torch._dirichlet_grad(1 - unit, b, total)),
        },
        "student_t_sample_grad": {"this package": lambda: special.student_t_sample_grad(df, t)},
        "von_mises_sample_grad": {"this package": lambda: special.von_mises_sample_grad(concentration, angle)},
    }


def sampler_variants(dtype: torch.dtype) -> dict[str, Variants]:
    """The samplers, beside torch's."""
    a, concentration = log_uniform(1e-2, 1e4, dtype), log_uniform(1e-3, 1e5, dtype)
    theirs = torch.distributions.VonMises(torch.zeros_like(concentration), concentration, validate_args=False)
    return {
        "Gamma": {"this package": lambda: standard_gamma(a), "torch": lambda: torch._standard_gamma(a)},
        "log Gamma": {"this package": lambda: standard_log_gamma(a), "torch": lambda: torch._standard_gamma(a).log()},
        "von Mises": {"this package": lambda: standard_von_mises(concentration), "torch": theirs.sample},
    }


def draw_and_differentiate(make: Callable[..., Distribution], parameters: list[Tensor]) -> Callable[[], None]:
    """Draws once and differentiates the sum, as a training step does."""
    leaves = [parameter.clone().requires_grad_() for parameter in parameters]

    def run() -> None:
        sample = make(*leaves, validate_args=False).rsample()
        weighted = (sample * torch.ones_like(sample)).sum()
        torch.autograd.grad(weighted, leaves, allow_unused=True)

    return run


def small_dirichlet() -> dict[str, float]:
    """Milliseconds of Dirichlet(32 × 50).rsample() with its gradient."""
    concentration = [torch.empty(32, 50).uniform_(0.05, 5)]
    families = {"this package": implicit.Dirichlet, "torch": torch.distributions.Dirichlet}
    variants = {name: draw_and_differentiate(family, concentration) for name, family in families.items()}
    return {name: ns / 1e6 for name, ns in least_times(variants, 1, turns=300).items()}


def worst_error(row: Row, dtype: torch.dtype) -> float | None:
    """Of the derivative that the row names, over its table; that of float32 against float64 at the rounded arguments."""
    if row.truth is None:
        return None
    arguments, expected, function = sample_grad_truth(*row.truth)
    rounded = [argument.to(dtype) for argument in arguments]
    value = function(*rounded).double()
    if dtype != torch.float64:
        expected = function(*(argument.double() for argument in rounded))
    held = expected.abs() > torch.finfo(dtype).tiny
    return ((value - expected).abs() / expected.abs())[held].max().item()


def distribution_entry(name: str) -> dict[str, Any]:
    """What the table says of one distribution; the parameters are those of its grid, repeated."""
    row = REGISTRY[name]
    q = row.grid_distribution()
    repeats = ELEMENTS // (10 * q.sample().numel())
    parameters = [p.repeat(repeats, *[1] * (p.dim() - 1)) for p in row.parameters(dtype=torch.float32)]
    variants = {"this package": draw_and_differentiate(row.make, parameters)}
    # torch's von Mises has no rsample, and its mixture takes distributions
    if row.peer is not None and getattr(row.peer, "has_rsample", False) and row.peer is not torch.distributions.Wishart:
        variants["torch"] = draw_and_differentiate(row.peer, parameters)
    times = least_times(variants, repeats * q.sample().numel())
    return {
        "gradient": row.gradient,
        "methods": [method for method in METHODS if provides(q, method)],
        "worst_error": {"float32": worst_error(row, torch.float32), "float64": worst_error(row, torch.float64)},
        "nanoseconds": times,
    }


METHODS = ("cdf", "icdf", "entropy", "mean", "variance", "mode")


def provides(q: Distribution, method: str) -> bool:
    """Whether the method gives a value rather than raising."""
    arguments = {"cdf": (q.sample(),), "icdf": (torch.full(q.batch_shape, 0.5),)}
    try:
        value = getattr(q, method)
        if callable(value):
            value(*arguments.get(method, ()))
    except (NotImplementedError, AttributeError):
        return False
    return True


def distribution_table(entries: dict[str, Any]) -> str:
    """The entries as Markdown."""
    header = ["distribution", "gradient", "also", "worst error, float64", "float32", "ns per draw with gradient", "torch's"]
    rows = []
    for name, entry in entries.items():
        errors = [f"{e:.1e}" if (e := entry["worst_error"][dtype]) is not None else "–" for dtype in ("float64", "float32")]
        times = [f"{ns:.0f}" if (ns := entry["nanoseconds"].get(which)) else "–" for which in ("this package", "torch")]
        rows.append([f"`{name}`", entry["gradient"], ", ".join(entry["methods"]), *errors, *times])
    return markdown(Table("distributions", "Distributions", header, rows, labels=3))


def speed_table(record: dict[str, Any]) -> str:
    """Sample derivatives and samplers beside torch's as Markdown, nanoseconds per element."""
    header = ["", "float32", "torch", "", "float64", "torch", ""]
    rows = []
    for section, what in (("derivatives", "`{}`"), ("samplers", "drawing {}")):
        for name in record[f"{section}_float32"]:
            cells = (cell for kind in ("float32", "float64") for cell in speed_cells(record[f"{section}_{kind}"][name]))
            rows.append([what.format(name), *cells])
    return markdown(Table("speed", "Speed", header, rows))


def speed_cells(times: dict[str, float]) -> list[str]:
    ours, theirs = times["this package"], times.get("torch")
    return [f"{ours:.1f}", f"{theirs:.0f}" if theirs else "–", f"{theirs / ours:.1f}×" if theirs else ""]


def tables(record: dict[str, Any]) -> dict[str, str]:
    """The tables of the page by name."""
    return {"distributions": distribution_table(record["distributions"]), "speed": speed_table(record)}


def with_tables(text: str, record: dict[str, Any]) -> str:
    """The Markdown text with each table between its marks replaced."""
    for name, table in tables(record).items():
        begin, end = f"<!-- {name}: generated by tests.benchmarks.core -->", f"<!-- end of {name} -->"
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return text


def print_times(title: str, variants: dict[str, Variants], record: dict[str, Any]) -> None:
    print(title)
    for name, functions in variants.items():
        times = record[name] = least_times(functions, ELEMENTS)
        ratio = f"  {times['torch'] / times['this package']:5.1f}x" if "torch" in times else ""
        print(f"  {name:26s}" + "".join(f"{which} {ns:7.1f} ns  " for which, ns in times.items()) + ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--update", action="store_true", help=f"write the numbers to {RECORD.name}, and the tables to {PAGE.name}"
    )
    parser.add_argument("--only", choices=REGISTRY, help="measure this distribution; the others' numbers stay")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    implicit.set_compile("on")
    if options.only:
        record = json.loads(RECORD.read_text())
        record["distributions"][options.only] = distribution_entry(options.only)
    else:
        record = measure_all()
    print(distribution_table(record["distributions"]))
    if options.update:
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        RECORD.write_text(json.dumps(record, indent=2) + "\n")
        PAGE.write_text(with_tables(PAGE.read_text(), record))


def measure_all() -> dict[str, Any]:
    """The record: every table's numbers, printed as they come."""
    record: dict[str, Any] = {"torch": torch.__version__, "machine": machine(), "git_commit": git_commit()}
    for dtype in (torch.float32, torch.float64):
        kind = str(dtype).removeprefix("torch.")
        print_times(f"sample derivatives, {kind}", derivative_variants(dtype), record.setdefault(f"derivatives_{kind}", {}))
        print_times(f"samplers, {kind}", sampler_variants(dtype), record.setdefault(f"samplers_{kind}", {}))
    record["dirichlet_32x50_ms"] = small_dirichlet()
    print("Dirichlet(32 x 50) with gradient  ", "  ".join(f"{k} {v:.3f} ms" for k, v in record["dirichlet_32x50_ms"].items()))
    record["distributions"] = {name: distribution_entry(name) for name in REGISTRY}
    return record


if __name__ == "__main__":
    main()
