"""What the Python scripts share."""

import os

SECURITY = os.environ["SECURITY"]
# Policies end then: never, or long ago.
EXPIRY = 1_000_000_000 if SECURITY == "expired" else 4_102_444_800
MIB = 1 << 20


def step(name, run, refusal_of):
    """Runs a step. With an expired policy it must be refused, by a status and a text that a user can read; then this gives nothing."""
    if SECURITY != "expired":
        return run()
    try:
        run()
    except Exception as error:
        status, text = refusal_of(error)
        assert status == 403, f"{name}: {error!r}"
        assert "expired" in text.lower(), f"{name}: {text}"
        return None
    raise AssertionError(f"{name} was done with an expired policy")
