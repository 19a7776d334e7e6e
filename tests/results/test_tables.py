import json
import re
from pathlib import Path
from typing import Any

import pytest

from irg_experiments.errors import UserError
from irg_experiments.results.report import collect, main, marks, replace_tables, tables

BEGIN, END = marks("perplexity")
ROOT = Path(__file__).parents[2]


def record(seed: int, perplexity: float, **changes: Any) -> dict[str, Any]:
    fields = {
        "status": "done",
        "experiment": "lda",
        "method": "implicit",
        "data": "newsgroups",
        "model": "lda",
        "seed": seed,
        "budget": "paper",
        "steps": 180_000,
        "command": f"irg-run data=newsgroups budget=paper seed={seed}",
        "metrics": {"test_perplexity": perplexity, "test_perplexity_corpus": perplexity - 8},
        "config": {"method": {"name": "implicit"}},
    }
    return {**fields, **changes}


def test_seeds_are_averaged_beside_the_paper():
    table = tables([record(1, 870.0), record(0, 880.0), record(2, 1.0, status="failed")])["perplexity"]
    assert table.splitlines()[2:] == [
        "| lda | implicit | newsgroups | 875.0 ± 7.1 | 867.0 ± 7.1 | 876 ± 7 | 2 | 180,000 "
        "| `irg-run -m data=newsgroups budget=paper seed=0,1` |"
    ]


def test_variants_of_a_method_are_told_apart():
    variant = record(0, 970.0, method="rsvi", config={"method": {"name": "rsvi", "augmentation": 5}})
    row = tables([variant, record(0, 870.0)])["perplexity"].splitlines()[3]
    assert "rsvi B=5" in row
    assert "968 ± 18" in row


def test_report_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(UserError, match=r"No record\.json below"):
        main([str(tmp_path)])
    (tmp_path / "record.json").write_text(json.dumps(record(0, 880.0)))
    main([str(tmp_path)])
    assert "880.0" in capsys.readouterr().out
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    main([str(tmp_path), "--update", str(readme)])
    assert re.fullmatch(rf"before\n{BEGIN}\n.*880\.0.*\n{END}\nafter\n", readme.read_text(), re.DOTALL)


def test_marks_are_needed():
    with pytest.raises(UserError, match="no lines"):
        replace_tables("text", {"perplexity": "table"})


def test_the_readme_shows_what_the_reference_records_say():
    readme = (ROOT / "README.md").read_text()
    assert replace_tables(readme, tables(collect(ROOT / "outputs" / "reference"))) == readme
