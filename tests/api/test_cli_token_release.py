"""A release by an author whose key is in a token, from registration to the server's yes."""

import json

import pytest

from soft_token import DRIVERS, Token
from test_cli_server import CLASS, author, cli, fresh  # noqa: F401


@pytest.mark.skipif(not DRIVERS, reason="SoftHSM is not installed")
@pytest.mark.parametrize("kind", ["p256", "rsa"])
def test_release_by_a_token(author, kind):  # noqa: F811
    token = Token(author.home)
    token.make("release", kind)
    uri = token.uri("release")
    kid = json.loads(author("key", "show", uri, "--json", **token.env).stdout)["kid"]
    words = ("release", "create", "fw.bin", "--class", CLASS, "--version", "4.0", "--key", uri)
    assert f"no author key with id {kid} is registered" in author(*words, code=1, **token.env).stderr
    registered = json.loads(author("key", "register", uri, "--class", CLASS, "--json", **token.env).stdout)
    assert (registered["kid"], "PRIVATE" in registered["public_key_pem"]) == (kid, False)
    made = json.loads(author(*words, "--json", **token.env).stdout)
    assert made["manifests"][0]["signers"] == [kid]
