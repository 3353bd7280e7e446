"""Asks whether a server of Spark Connect answers, before spark.py starts a session on it."""

from session_pipeline.errors import EngineError

SECONDS_TO_ANSWER = 30.0


def check_answers(remote: str) -> None:
    """Wait until the server answers, as the session would connect to it.

    PySpark itself tries for ten minutes to start a session without saying so, and once more when the process ends.

    Raises:
        EngineError: It does not answer, or the address is not valid. The message leaves out the parameters of the
            address, such as a token.
    """
    import grpc
    from pyspark.sql.connect.client import DefaultChannelBuilder

    try:
        builder = DefaultChannelBuilder(remote)
    except ValueError:  # PySpark's own message can have the whole address
        raise EngineError(
            "remote in [engine] of settings.toml is not the address of a Spark Connect server; write it as"
            " sc://host:15002, with parameters as in sc://host:15002/;token=…"
        ) from None
    channel = builder.toChannel()
    try:
        grpc.channel_ready_future(channel).result(timeout=SECONDS_TO_ANSWER)
    except grpc.FutureTimeoutError:
        raise EngineError(
            f"no Spark Connect server answers at {builder.endpoint}; start it, or correct remote in [engine] of"
            " settings.toml, and run again"
        ) from None
    finally:
        channel.close()
