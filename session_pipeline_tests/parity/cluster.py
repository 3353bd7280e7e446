"""Starts and stops a Spark cluster on this machine: a master and two workers from the pip package."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from session_pipeline_tests.parity.builds import SMALL_CONF

JAVA_OPTIONS = SMALL_CONF["spark.driver.extraJavaOptions"]
CLUSTER_CONF: Mapping[str, str] = {
    **SMALL_CONF,
    "spark.executor.memory": "512m",
    "spark.executor.extraJavaOptions": JAVA_OPTIONS,
    "spark.driver.host": "127.0.0.1",
}


class Cluster:
    """A master and workers with one core each.

    Attributes:
        master: The address of the master.
        workers: The processes of the workers. The process group of each has its executors.
    """

    def __init__(self, folder: Path, memory: str) -> None:
        import pyspark

        self._home = Path(pyspark.__file__).parent
        self._folder = folder
        self._memory = memory
        self._processes: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        self._port = free_port()
        self.master = f"spark://127.0.0.1:{self._port}"

    @classmethod
    @contextmanager
    def running(cls, folder: Path, worker_count: int = 2, memory: str = "1g") -> Iterator[Self]:
        """Yield a cluster, and kill its processes at the end."""
        cluster = cls(folder, memory)
        try:
            cluster.start_master()
            for _ in range(worker_count):
                cluster.start_worker()
            yield cluster
        finally:
            cluster.stop()

    def start_master(self) -> None:
        ports = ("--port", str(self._port), "--webui-port", str(free_port()))
        self._start("master.Master", "--host", "127.0.0.1", *ports, port=self._port)

    def start_worker(self) -> None:
        port = free_port()
        self._start(
            "worker.Worker",
            *("--host", "127.0.0.1", "--port", str(port), "--cores", "1", "--memory", self._memory),
            *("--work-dir", str(self._folder / f"work{len(self.workers)}"), "--webui-port", str(free_port())),
            self.master,
            port=port,
        )
        self.workers.append(self._processes[-1])

    @contextmanager
    def connect(self, conf: Mapping[str, str]) -> Iterator[str]:
        """Yield the address of a Spark Connect server on the cluster."""
        port = free_port()
        options = {**conf, "spark.connect.grpc.binding.port": str(port), "spark.ui.enabled": "false"}
        pairs = [f"{key}={value}" for key, value in options.items()]
        self._start(
            "SparkSubmit",
            *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", self.master),
            *(argument for pair in pairs for argument in ("--conf", pair)),
            port=port,
            memory="1g",
        )
        yield f"sc://127.0.0.1:{port}"
        os.killpg(self._processes[-1].pid, signal.SIGKILL)

    def kill_worker(self, number: int) -> None:
        """Kill a worker with its executors, as if its machine had failed."""
        os.killpg(self.workers[number].pid, signal.SIGKILL)

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, what: str, *arguments: str, port: int, memory: str = "256m") -> None:
        """Start a process, and wait until it listens on its port."""
        environment = {
            **os.environ,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_DAEMON_JAVA_OPTS": JAVA_OPTIONS,
            "SPARK_DAEMON_MEMORY": memory,
        }
        command = [str(self._home / "bin" / "spark-class"), f"org.apache.spark.deploy.{what}", *arguments]
        path = self._folder / f"{what}{len(self._processes)}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, cwd=self._folder, start_new_session=True
            )
        self._processes.append(process)
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, f"{what} ended:\n{path.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"{what} does not listen on port {port}"
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
