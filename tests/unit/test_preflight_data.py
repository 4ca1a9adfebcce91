"""Models, sources, benchmarks, the token and the endpoint, against a local server that answers as the Hub does."""

import json
from urllib.parse import urlsplit

import pytest

from scripts.preflight.data import check_data
from scripts.preflight.endpoint import check_endpoint
from scripts.preflight.hub import Hub

from .webserver import Handler, running

MODEL = "maker/model@main"


class Table(Handler):
    """Answers each path with what the server's table says: status, value, error code; else 404."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization", "")))
        status, value, code = self.server.table.get(urlsplit(self.path).path, (404, {}, "RepoNotFound"))
        self.send(status, json.dumps(value).encode(), **({"X-Error-Code": code} if code else {}))


@pytest.fixture
def server():
    """A running server with `table` (path → answer), `asked` and `address`."""
    with running(Table) as (address, server):
        server.table, server.asked, server.address = {}, [], address
        yield server


@pytest.fixture
def environment(server, tmp_path):
    """What the Hub's client would read."""
    return {"HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path / "hf")}


def facts(tmp_path, **given):
    """Facts of a run with a model, unless other things are given."""
    rules = [{"rule": rule} for rule in ("downloads_models", "seeds_download", "downloads_benchmarks")]
    empty = {"rules": rules, "models": [], "sources": [], "benchmarks": {}, "offline": "0"}
    return {**empty, "downloads": str(tmp_path / "downloads"), **given}


def levels(findings):
    """Check → level."""
    return {finding.check: finding.level for finding in findings}


def source(**given):
    """A source of the Hub."""
    row = {"source": "web", "where": "hub", "location": "maker/pages", "dataset": "maker/pages", "terms": ""}
    return {**row, "there": False, "leave_out": "or leave it out", **given}


def test_a_model_that_is_open_can_be_downloaded_and_its_size_is_told(server, environment, tmp_path):
    files = [{"rfilename": "a.safetensors", "size": 3 * 10**9}, {"rfilename": "a.bin", "size": 10**12}]
    server.table["/api/models/maker/model/auth-check"] = (200, {}, "")
    server.table["/api/models/maker/model/revision/main"] = (200, {"siblings": files}, "")
    token, model = check_data(facts(tmp_path, models=[MODEL]), environment)
    assert (token.level, model.level) == ("ok", "ok")
    assert "3 GB" in model.found


def test_a_model_larger_than_the_free_space_fails(server, environment, tmp_path):
    server.table["/api/models/maker/model/auth-check"] = (200, {}, "")
    server.table["/api/models/maker/model/revision/main"] = (
        200,
        {"siblings": [{"rfilename": "a.safetensors", "size": 10**18}]},
        "",
    )
    findings = check_data(facts(tmp_path, models=[MODEL]), environment)
    assert levels(findings)["model maker/model"] == "fails"


def test_a_gated_model_is_named_and_without_a_token_that_too(server, environment, tmp_path):
    server.table["/api/models/maker/model/auth-check"] = (401, {}, "GatedRepo")
    token, model = check_data(facts(tmp_path, models=[MODEL]), environment)
    assert (token.level, model.level) == ("fails", "fails")
    assert "model maker/model" in token.found
    assert "https://huggingface.co/maker/model" in model.advice


def test_a_token_is_sent_and_a_gated_model_it_does_not_open_fails(server, environment, tmp_path):
    server.table["/api/whoami-v2"] = (200, {"name": "ada"}, "")
    server.table["/api/models/maker/model/auth-check"] = (403, {}, "GatedRepo")
    token, model = check_data(facts(tmp_path, models=[MODEL]), {**environment, "HF_TOKEN": "hf_x"})
    assert (token.level, token.found, model.level) == ("ok", "of ada", "fails")
    assert {key for _, key in server.asked} == {"Bearer hf_x"}


def test_a_token_that_the_hub_refuses_fails(server, environment, tmp_path):
    server.table["/api/whoami-v2"] = (401, {}, "")
    assert levels(check_data(facts(tmp_path), {**environment, "HF_TOKEN": "old"}))["Hub token"] == "fails"


def test_the_token_of_a_login_is_found(environment, tmp_path):
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_login\n")
    assert Hub.of(environment).token == "hf_login"


def test_a_model_that_is_nowhere_fails_and_nothing_is_said_of_a_token(environment, tmp_path):
    token, model = check_data(facts(tmp_path, models=[MODEL]), environment)
    assert (token.level, model.level) == ("ok", "fails")
    assert "nothing public" in model.found


def test_what_is_here_is_not_asked_for(server, environment, tmp_path):
    snapshot = tmp_path / "hf" / "hub" / "models--maker--model" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    for path in ("web/manifest.json", "benchmarks/piqa.jsonl"):
        (tmp_path / "downloads" / path).parent.mkdir(parents=True)
        (tmp_path / "downloads" / path).write_text("{}")
    given = facts(tmp_path, models=[MODEL], sources=[source()], benchmarks={"piqa": "maker/piqa"}, offline="1")
    findings = check_data(given, environment)
    assert set(levels(findings).values()) == {"ok"}
    assert server.asked == []


def test_offline_what_is_not_here_fails_and_nothing_is_asked(server, environment, tmp_path):
    given = facts(tmp_path, models=[MODEL], sources=[source()], benchmarks={"piqa": "maker/piqa"}, offline="1")
    findings = check_data(given, environment)
    assert [finding.level for finding in findings] == ["ok", "fails", "fails", "fails"]
    assert server.asked == []


def test_collected_files_that_are_missing_fail_and_those_that_are_there_do(environment, tmp_path):
    local = [source(source=name, where="local", there=there) for name, there in (("one", True), ("two", False))]
    found = levels(check_data(facts(tmp_path, sources=local), environment))
    assert (found["source one"], found["source two"]) == ("ok", "fails")


def test_without_network_alike_findings_make_one_line(tmp_path):
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    sources = [source(source="one"), source(source="two")]
    (token, finding) = check_data(facts(tmp_path, sources=sources), environment)
    assert (token.level, "cannot be told" in token.found) == ("warning", True)
    assert (finding.check, finding.level) == ("sources one, two", "fails")
    assert "no answer" in finding.found


def test_nothing_is_asked_for_that_no_rule_needs(server, environment, tmp_path):
    given = facts(tmp_path, models=[MODEL], sources=[source()], benchmarks={"piqa": "maker/piqa"}, rules=[])
    assert [finding.check for finding in check_data(given, environment)] == ["Hub token"]
    assert server.asked == []


def endpoint(server, executor="local", key="", model="mine"):
    """What is found about an endpoint at the server's /v1."""
    llm = {"endpoint": f"{server.address}/v1/", "model": model}
    return [*check_endpoint(llm, executor, {"OPENAI_API_KEY": key} if key else {})]


def test_an_endpoint_that_has_the_model_does(server):
    server.table["/v1/models"] = (200, {"data": [{"id": "mine"}]}, "")
    (finding,) = endpoint(server, key="sk-1")
    assert (finding.level, "has mine" in finding.found) == ("ok", True)
    assert server.asked == [("/v1/models", "Bearer sk-1")]


def test_an_endpoint_that_has_another_model_fails_and_names_it(server):
    server.table["/v1/models"] = (200, {"data": [{"id": "other"}]}, "")
    (finding,) = endpoint(server)
    assert (finding.level, "only other" in finding.found) == ("fails", True)


def test_a_key_is_only_missed_where_the_endpoint_wants_one(server):
    server.table["/v1/models"] = (401, {}, "")
    (finding,) = endpoint(server)
    assert (finding.level, "OPENAI_API_KEY is not set" in finding.found) == ("fails", True)
    (finding,) = endpoint(server, key="sk-secret")
    assert "refuses the key" in finding.found
    assert "sk-secret" not in finding.found + finding.advice


def test_an_endpoint_without_a_list_of_models_does_and_a_dead_one_fails(server):
    (finding,) = endpoint(server)
    assert finding.level == "ok"
    (finding,) = check_endpoint({"endpoint": "http://127.0.0.1:9/v1", "model": "mine"}, "local", {})
    assert finding.level == "fails"
    (finding,) = check_endpoint({"endpoint": "", "model": "mine"}, "local", {})
    assert finding.level == "fails"


def test_an_endpoint_on_this_machine_is_elsewhere_for_jobs_of_a_cluster(server):
    warned, found = endpoint(server, executor="slurm")
    assert (warned.level, found.level) == ("warning", "ok")
