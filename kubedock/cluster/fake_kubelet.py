"""The simulated kubelet (and scheduler) of the in-memory cluster.

By itself it runs each pod at once, in the thread that creates it: events and statuses are those of a real node with
containerd, in the same order. After ``hold()`` pods stay Pending, and a test moves them step by step::

    schedule -> pulling -> start (the process runs, its Started event is out) -> sync (the status knows)

Everything happens under the store's lock. Pods run one container, ``main``; others only appear in the status.
"""

from collections.abc import Callable
from datetime import datetime

from kubedock.cluster.fake_files import FakeFiles, missing_config_map, mounted
from kubedock.cluster.fake_images import malformed, missing
from kubedock.cluster.fake_program import NotStarted, Program
from kubedock.cluster.fake_reports import MAIN, NODE, PodReports, Run, main_of
from kubedock.cluster.fake_streams import FakeLog
from kubedock.cluster.objects import timestamp
from kubedock.cluster.protocol import Json
from kubedock.cluster.statuses import SUCCESS as ATTACH_DONE
from kubedock.cluster.store import ObjectStore
from kubedock.errors import InvalidParameter, NotFound, Unavailable

EPOCH = "1970-01-01T00:00:00Z"
START_ERROR = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed:"
    " unable to start container process: "
)


class FakeKubelet:
    """Runs the store's pods."""

    def __init__(self, store: ObjectStore, now: Callable[[], datetime]) -> None:
        self._store, self._now = store, now
        self._reports = PodReports(store, now)
        self._runs: dict[str, Run] = {}
        self._held = False
        self.lingering = False
        """Gracefully deleted pods stay until somebody drops them."""
        self._addresses = 0
        self.restarts_by_itself = 1
        """How often a container that has ended is brought back at once; after that it is in CrashLoopBackOff."""
        self.network = "10.1"
        """What the pods' addresses begin with. They can be reached where this machine has them: 127.1, for one."""

    # --- steps by hand -------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """From now on new pods stay Pending."""
        self._held = True

    def release(self) -> None:
        """Run what was held, and new pods at once again."""
        with self._store.lock:
            self._held = False
            for name in list(self._runs):
                self.run(name)

    def schedule(self, pod: str) -> None:
        """Put the pod on the node; or, where its node selector fits no node, say that it cannot be."""
        with self._store.lock:
            run, spec = self._of(pod), self._pod(pod)["spec"]
            if run.state != "new":
                return
            node = self._store.find("Node", NODE)
            if (spec.get("nodeSelector") or {}).items() - node["metadata"]["labels"].items():
                self.unschedulable(pod, "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.")
                return
            run.state = "scheduled"
            self._reports.place(pod)
            self._reports.event(
                pod, "Scheduled", f"Successfully assigned {self._store.namespace}/{pod} to {NODE}", source="default-scheduler"
            )
            self.waiting(pod, "ContainerCreating")

    def unschedulable(self, pod: str, message: str) -> None:
        """The scheduler finds no node for it."""
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        with self._store.lock:
            self._reports.status(pod, conditions=[condition])
            self._reports.event(pod, "FailedScheduling", message, warning=True, source="default-scheduler")

    def pulling(self, pod: str) -> None:
        """The image's pull has begun."""
        with self._store.lock:
            self.schedule(pod)
            self._reports.event(pod, "Pulling", f'Pulling image "{self._image(pod)}"')

    def waiting(self, pod: str, reason: str, message: str = "") -> None:
        """The container waits for this reason: ContainerCreating, ErrImagePull, CreateContainerConfigError …"""
        state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        with self._store.lock:
            self._reports.show(pod, state, started=False)

    def start(self, pod: str) -> None:
        """The process runs, and its Started event is out. The status does not know it yet."""
        with self._store.lock:
            self.schedule(pod)
            run = self._of(pod)
            if run.state == "scheduled" and self._volumes_there(pod) and self._image_there(pod):
                self._begin(pod, run)

    event_only = start

    def sync(self, pod: str) -> None:
        """The kubelet's next look: the status shows what is."""
        with self._store.lock:
            run = self._of(pod)
            if run.state in ("running", "ended"):
                run.synced = True
                self._report(pod, run)

    def run(self, pod: str) -> None:
        """Whatever is left until the status shows the pod running, or ended."""
        with self._store.lock:
            self.start(pod)
            if pod in self._runs:
                self.sync(pod)

    def write(self, pod: str, text: str | bytes, *, stream: int = 1) -> None:
        """The main process writes lines."""
        with self._store.lock:
            self._of(pod).log.write(self._now(), stream, text.encode() if isinstance(text, str) else text)

    def wake(self, pod: str) -> None:
        """The ``sleep`` of its program is over; it goes on."""
        with self._store.lock:
            run = self._of(pod)
            if run.program is not None:
                run.program.wake()
                self._after(pod, run)

    def finish(self, pod: str, exit_code: int = 0, *, oom: bool = False) -> None:
        """The main process ends."""
        with self._store.lock:
            run = self._of(pod)
            if run.program is not None and run.program.code is None:
                run.program.code = 137 if oom else exit_code
            self._after(pod, run, oom=oom)

    def restart(self, pod: str) -> None:
        """The back-off is over: the container runs again."""
        with self._store.lock:
            self._again(pod, self._of(pod))

    def fail(self, pod: str, reason: str, message: str, *, exit_code: int = 137) -> None:
        """The node ends the pod: Evicted, DeadlineExceeded, NodeLost …"""
        with self._store.lock:
            run = self._of(pod)
            if run.state == "running" and run.program is not None:
                run.program.code = run.program.code if run.program.code is not None else exit_code
                self._conclude(run)
            if run.finished is not None:
                self._reports.show(pod, {"terminated": run.finished}, started=False, phase="Failed")
            self._reports.status(pod, phase="Failed", reason=reason, message=message)

    def signals(self, pod: str) -> list[str]:
        """The signals that its main process has got."""
        program = self._of(pod).program
        return list(program.signals) if program is not None else []

    def files(self, pod: str) -> FakeFiles:
        """The files of its container, as they are now."""
        return self._of(pod).files

    def pods(self) -> list[str]:
        """Names of the pods that are on the node, or wait for it; oldest first."""
        with self._store.lock:
            return list(self._runs)

    # --- what the API server asks for ----------------------------------------------------------------------------

    def added(self, pod: Json) -> None:
        """A pod was created."""
        name = pod["metadata"]["name"]
        self._runs[name] = Run(name, pod["metadata"]["uid"])
        if not self._held:
            self.run(name)

    def removed(self, pod: str) -> None:
        """A pod is gone from the API: its process is killed."""
        run = self._runs.pop(pod, None)
        if run is not None and not run.log.ended:
            if run.program is not None and run.program.code is None:
                run.program.signal("KILL", inside=False)
            run.log.end(ATTACH_DONE)

    def ending(self, pod: str) -> bool:
        """See PodRunner: no time passes here."""
        if self.lingering:
            return False
        self.terminate(pod)
        return True

    def terminate(self, pod: str) -> None:
        """End a pod that is being deleted: TERM, and KILL at once where that is ignored."""
        run = self._of(pod)
        if run.program is not None and run.program.code is None:
            for signal in ("TERM", "KILL"):
                run.program.signal(signal, inside=False)
            if run.state == "running":
                self._conclude(run)
                self._report(pod, run)

    def expire(self, pod: str) -> None:
        """Its activeDeadlineSeconds are over."""
        run = self._of(pod)
        if run.state == "running" and run.program is not None:
            run.program.signal("TERM", inside=False)
            run.program.signal("KILL", inside=False)
            self.fail(pod, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline")

    def deliver(self, pod: str, signal: str) -> bool:
        """A signal for process 1 from inside its container; False when there is none."""
        run = self._of(pod)
        if run.program is None or run.state != "running":
            return False
        run.program.signal(signal, inside=True)
        self._after(pod, run)
        return True

    def feed(self, pod: str, data: bytes | None) -> None:
        """Stdin of the main process; None is its end."""
        run = self._runs.get(pod)
        if run is not None and run.program is not None:
            run.program.feed(data)
            self._after(pod, run)

    def running(self, pod: str, container: str) -> Run | None:
        """The run of a pod whose main process runs, else None: NotFound, InvalidParameter."""
        run = self._of(pod)
        self._require(pod, container)
        if run.state == "new":
            raise InvalidParameter(f"pod {pod} does not have a host assigned")
        return run if run.state == "running" else None

    def listener(self, pod: str, port: int) -> list[str] | None:
        """The command that serves connections to a port, None where nothing listens. Unavailable once nothing runs."""
        run = self.running(pod, MAIN)
        if run is None or run.program is None:
            raise Unavailable(f'pod not found ("{pod}_{self._store.namespace}")')
        return run.program.listens.get(port)

    def _require(self, pod: str, container: str) -> None:
        if container not in [each["name"] for each in self._pod(pod)["spec"]["containers"]]:
            raise InvalidParameter(f"container {container} is not valid for pod {pod}")

    def log(self, pod: str, container: str, *, previous: bool) -> FakeLog:
        """A container's log: InvalidParameter while its status does not know it."""
        run, item = self._of(pod), self._pod(pod)
        self._require(pod, container)
        if previous:
            if run.previous is None:
                raise InvalidParameter(f'previous terminated container "{container}" in pod "{pod}" not found')
            return run.previous
        if not run.synced:
            statuses = item["status"].get("containerStatuses") or [{}]
            reason = statuses[0].get("state", {}).get("waiting", {}).get("reason", "ContainerCreating")
            shown = "image can't be pulled" if "ImagePull" in reason else reason
            raise InvalidParameter(f'container "{container}" in pod "{pod}" is waiting to start: {shown}')
        return run.log

    # --- inside --------------------------------------------------------------------------------------------------

    def _of(self, pod: str) -> Run:
        run = self._runs.get(pod)
        if run is None:
            raise NotFound(f'pods "{pod}" not found')
        return run

    def _pod(self, pod: str) -> Json:
        return self._store.find("Pod", pod)

    def _image(self, pod: str) -> str:
        return str(main_of(self._pod(pod))["image"])

    def _volumes_there(self, pod: str) -> bool:
        """ConfigMaps must exist before their pod's containers; the kubelet tries again later."""
        missing = missing_config_map(self._pod(pod)["spec"], lambda name: self._store.peek("ConfigMap", name))
        if missing:
            self._reports.event(pod, "FailedMount", missing, warning=True)
        return not missing

    def _image_there(self, pod: str) -> bool:
        """Pull: events and status of the failures that no retry heals."""
        image, policy = self._image(pod), main_of(self._pod(pod)).get("imagePullPolicy", "IfNotPresent")
        if text := malformed(image):
            self.waiting(pod, "InvalidImageName", text)
            return False
        if text := missing(image):
            self._reports.event(pod, "Pulling", f'Pulling image "{image}"')
            self._reports.event(pod, "Failed", f'Failed to pull image "{image}": {text}', warning=True)
            self._reports.event(pod, "Failed", "Error: ErrImagePull", warning=True)
            self.waiting(pod, "ErrImagePull", text)
            return False
        if policy == "Always":
            self._reports.event(pod, "Pulling", f'Pulling image "{image}"')
            text = f'Successfully pulled image "{image}" in 20ms (20ms including waiting). Image size: 1039347 bytes.'
        else:
            text = f'Container image "{image}" already present on machine'
        self._reports.event(pod, "Pulled", text)
        return True

    def _begin(self, pod: str, run: Run) -> None:
        """Start the process of a run."""
        main = main_of(self._pod(pod))
        argv = [*(main.get("command") or ()), *(main.get("args") or ())]
        if not run.ip:
            self._addresses += 1
            run.ip = f"{self.network}.{self._addresses // 250}.{self._addresses % 250 + 1}"
        run.files = mounted(self._pod(pod)["spec"], main, lambda name: self._store.find("ConfigMap", name))
        self._reports.event(pod, "Created", f"Created container: {main['name']}")
        run.started_at, run.finished = self._now(), None
        try:
            run.program = Program(argv, lambda stream, data: run.log.write(self._now(), stream, data))
        except NotStarted as error:
            text = START_ERROR + str(error)
            self._reports.event(pod, "Failed", f"Error: {text}", warning=True)
            run.state = "ended"
            run.finished = {
                "exitCode": 128,
                "reason": "StartError",
                "message": text,
                "startedAt": EPOCH,
                "finishedAt": timestamp(self._now()),
            }
            run.log.end(ATTACH_DONE)
            return
        run.state = "running"
        self._reports.event(pod, "Started", f"Started container {main['name']}")
        run.program.go()
        if run.program.code is not None:
            self._conclude(run)

    def _conclude(self, run: Run, *, oom: bool = False) -> None:
        """The process has ended."""
        code = run.program.code if run.program is not None else 0
        run.state = "ended"
        run.finished = {
            "exitCode": code,
            "reason": "OOMKilled" if oom else "Completed" if code == 0 else "Error",
            "startedAt": timestamp(run.started_at or self._now()),
            "finishedAt": timestamp(self._now()),
        }
        run.log.end(ATTACH_DONE)

    def _after(self, pod: str, run: Run, *, oom: bool = False) -> None:
        """Something happened to the process: tell, if it has ended."""
        if run.state == "running" and run.program is not None and run.program.code is not None:
            self._conclude(run, oom=oom)
            if run.synced:
                self._report(pod, run)

    def _report(self, pod: str, run: Run) -> None:
        """Write the status; bring the container back where its policy says so."""
        item = self._store.peek("Pod", pod)
        if item is None:
            return
        if run.finished is None:
            state: Json = {"running": {"startedAt": timestamp(run.started_at or self._now())}}
            self._reports.show(pod, state, started=True, phase="Running", run=run)
            return
        ended, policy = {"terminated": run.finished}, item["spec"].get("restartPolicy", "Always")
        again = policy == "Always" or (policy == "OnFailure" and run.finished["exitCode"] != 0)
        again = again and "deletionTimestamp" not in item["metadata"]
        phase = "Running" if again else "Succeeded" if run.finished["exitCode"] == 0 else "Failed"
        self._reports.show(pod, ended, started=False, phase=phase, run=run)
        if again and run.restarts < self.restarts_by_itself:
            self._again(pod, run)
        elif again:
            run.last = ended
            text = f"back-off 10s restarting failed container={MAIN} pod={pod}_{self._store.namespace}({run.uid})"
            waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
            self._reports.show(pod, waiting, started=False, phase="Running", run=run)
            self._reports.event(pod, "BackOff", f"Back-off restarting failed container {MAIN} in pod {pod}", warning=True)

    def _again(self, pod: str, run: Run) -> None:
        """The next run of the same pod's container."""
        if run.finished is None:
            return
        run.last = {"terminated": run.finished}
        run.previous, run.log = run.log, FakeLog()
        run.restarts += 1
        self._image_there(pod)
        self._begin(pod, run)
        self._report(pod, run)
