import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from irg_experiments.errors import UserError
from irg_experiments.results.report import main
from irg_experiments.results.watch import HOST, server, state_of
from tests.results.counted import change, write


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Of a server that follows the folder."""
    with server([tmp_path], 0) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving.server_port
        serving.shutdown()
        thread.join()


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_the_page_follows_the_runs(tmp_path: Path, port: int):
    status, page = get(port, "/")
    assert (status, "There is no run yet." in page) == (200, True)
    directory = write(tmp_path, status="running")
    (directory / "metrics.jsonl").write_text('{"step": 7}\n')
    status, page = get(port, "/")
    assert '<td class="number">7</td>' in page
    assert f'data-state="{get(port, "/state")[1]}"' in page
    assert "connect-src &#39;self&#39;" in page
    assert "fetch(" in page
    change(directory, status="done")
    assert "What was counted" in get(port, "/")[1]


def test_the_state_changes_when_a_run_begins_logs_or_ends(tmp_path: Path):
    states = [state_of([tmp_path])]
    directory = write(tmp_path, status="running")
    states.append(state_of([tmp_path]))
    (directory / "metrics.jsonl").write_text('{"step": 7}\n')
    states.append(state_of([tmp_path]))
    change(directory, status="done")
    states.append(state_of([tmp_path]))
    assert len(set(states)) == 4
    assert state_of([tmp_path]) == states[-1]


def test_other_addresses_and_paths_are_refused(tmp_path: Path, port: int):
    assert get(port, "/", Host=f"evil.example:{port}")[0] == 403
    assert get(port, "/record.json")[0] == 404
    assert get(port, "/../pyproject.toml")[0] == 404


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path, port: int):
    with pytest.raises(UserError, match=rf"^Port {port} cannot be used \(.*\)\. Choose another one by --port\.$"):
        main([str(tmp_path), "--watch", "--port", str(port)])
    with pytest.raises(UserError, match="not allowed with argument"):
        main([str(tmp_path), "--watch", "--html", "page.html"])
