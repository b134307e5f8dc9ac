"""Docker's sentences, whole: clients match on them."""

import pytest

from kubedock import errors

ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (errors.NoSuchContainer("web"), errors.NotFound, "No such container: web"),
        (errors.NoSuchImage("alpine:latest"), errors.NotFound, "No such image: alpine:latest"),
        (
            errors.WrongPlatform("alpine", "linux/arm64", "linux/amd64"),
            errors.NotFound,
            "image with reference alpine was found but does not match the specified platform:"
            " wanted linux/arm64, actual: linux/amd64",
        ),
        (errors.NoSuchNetwork("web"), errors.NotFound, "network web not found"),
        (errors.NoSuchVolume("data"), errors.NotFound, "get data: no such volume"),
        (errors.NoSuchExec("x"), errors.NotFound, "No such exec instance: x"),
        (errors.AmbiguousReference("container", "ab"), errors.InvalidParameter, "multiple IDs found with provided prefix: ab"),
        (errors.AmbiguousReference("network", "ab"), errors.InvalidParameter, "network ab is ambiguous (several have this prefix)"),
        (
            errors.AliasOnPredefined("invalid config for network bridge: "),
            errors.InvalidParameter,
            "invalid config for network bridge: invalid endpoint settings:\n"
            "network-scoped alias is supported only for containers in user defined networks",
        ),
        (
            errors.NameTaken("db", holder=ID),
            errors.Conflict,
            f'Conflict. The container name "/db" is already in use by container "{ID}".'
            " You have to remove (or rename) that container to be able to reuse that name.",
        ),
        (errors.NotRunning(ID), errors.Conflict, f"container {ID} is not running"),
        (errors.CannotKill("db", ID), errors.Conflict, f"cannot kill container: db: container {ID} is not running"),
        (
            errors.CannotRemoveRunning("db", "running"),
            errors.Conflict,
            'cannot remove container "/db": container is running: stop the container before removing or force remove',
        ),
        (
            errors.CannotRemoveRunning("db", "paused"),
            errors.Conflict,
            'cannot remove container "/db": container is paused:'
            " unpause and then stop the container before removing or force remove",
        ),
        (
            errors.CannotPublish("web", ID, "Bind for 0.0.0.0:80 failed: port is already allocated"),
            errors.System,
            f"driver failed programming external connectivity on endpoint web ({ID}):"
            " Bind for 0.0.0.0:80 failed: port is already allocated",
        ),
        (errors.RemovalInProgress(ID), errors.Conflict, f"removal of container {ID} is already in progress"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_dockers_sentences(error, kind, sentence):
    """The text is part of the contract, and so is the kind, which decides the status."""
    assert str(error) == sentence
    assert isinstance(error, kind)


def test_every_error_is_of_exactly_one_kind():
    """A status can always be found, and only one."""
    kinds = set(errors.KubedockError.__subclasses__())

    def all_below(kind: type[Exception]) -> set[type[Exception]]:
        return {kind}.union(*(all_below(child) for child in kind.__subclasses__()))

    for error in all_below(errors.KubedockError) - {errors.KubedockError}:
        assert len([kind for kind in kinds if issubclass(error, kind)]) == 1, error
