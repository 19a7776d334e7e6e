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
    out = capsys.readouterr().out
    assert out.startswith("## perplexity\n\n| model |")
    assert "880.0" in out
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    main([str(tmp_path), "--update", str(readme)])
    assert re.fullmatch(rf"before\n{BEGIN}\n.*880\.0.*\n{END}\nafter\n", readme.read_text(), re.DOTALL)


def test_a_folder_without_a_finished_run_says_so(tmp_path: Path):
    for number, status in enumerate(["failed", "failed", "running"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "record.json").write_text(json.dumps(record(0, 880.0, status=status)))
    with pytest.raises(UserError, match="2 failed, 1 unfinished"):
        main([str(tmp_path)])


@pytest.mark.parametrize("content", [b'{"sta', b"\xff", b"[]", b"{}"])
def test_damaged_records_are_named(tmp_path: Path, content: bytes):
    (tmp_path / "record.json").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "record.json"))):
        main([str(tmp_path)])


def test_a_file_to_update_that_is_not_there_is_named(tmp_path: Path):
    (tmp_path / "record.json").write_text(json.dumps(record(0, 880.0)))
    with pytest.raises(UserError, match=r"nowhere\.md"):
        main([str(tmp_path), "--update", str(tmp_path / "nowhere.md")])
    assert not (tmp_path / "nowhere.md").exists()


def test_budgets_are_told_apart_where_they_differ():
    values = {"variance": 2.0, "bias_z": 0.5, "bias_z_worst": 1.5, "microseconds": 3.0}
    changes = {"experiment": "cross_entropy", "metrics": {"Dirichlet": {"rsvi": values}}}
    runs = [record(0, 0.0, budget=budget, **changes) for budget in ("smoke", "paper")]
    both = tables(runs)["cross_entropy"].splitlines()
    assert both[0].startswith("| budget | distribution |")
    assert [row.split(" | ")[:3] for row in both[2:]] == [["| paper", "Dirichlet", "rsvi"], ["| smoke", "Dirichlet", "rsvi"]]
    alone = tables([runs[0], record(0, 880.0)])["cross_entropy"]  # another experiment's budget is not theirs
    assert alone == tables(runs[:1])["cross_entropy"]
    assert "budget" not in alone


def test_marks_are_needed():
    with pytest.raises(UserError, match="no lines"):
        replace_tables("text", {"perplexity": "table"})


def test_the_readme_shows_what_the_reference_records_say():
    readme = (ROOT / "README.md").read_text()
    assert replace_tables(readme, tables(collect(ROOT / "outputs" / "reference"))) == readme
