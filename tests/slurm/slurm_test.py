"""tutti under SLURM: slurm_test.py TUTTI WORK FOLDER SUITE, on the login host of the cluster that cluster.sh makes.

WORK is where tests/launcher/program_test.py made its shards and recipe; FOLDER is for runs and logs.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

TUTTI, WORK, FOLDER = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
CLUSTER = FOLDER / "cluster"  # what cluster.sh was given

# The ranks of two nodes share this machine's cores; /dev/shm is a node's own, so what MPI leaves there goes with it.
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_pml": "ob1",
    "OMPI_MCA_btl": "self,vader,tcp", "OMPI_MCA_btl_tcp_if_include": "10.77.0.0/24",
    "OMPI_MCA_oob_tcp_if_include": "10.77.0.0/24", "OMPI_MCA_mpi_yield_when_idle": "1", "PMIX_MCA_gds": "hash",
    "OMP_NUM_THREADS": "1", "TMPDIR": "/dev/shm",
}
LONG = ["--set", "train.epochs=4000", "--set", "train.validate_every=4000", "--set", "checkpoint.every_epochs=4000"]


def run(*command, expect=0, **environment):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env={**os.environ, **ENVIRONMENT, **environment})
    if done.returncode != expect:
        raise AssertionError(f"{' '.join(map(str, command))}\nended with {done.returncode}, not {expect}:\n{done.stdout}{done.stderr}")
    return done


def wait_for(what, condition, seconds):
    deadline = time.time() + seconds
    while not condition():
        if time.time() > deadline:
            queue = subprocess.run(["squeue"], capture_output=True, text=True).stdout
            raise AssertionError(f"not within {seconds} s: {what}\n{queue}")
        time.sleep(0.1)


class Job:
    """A training job of two ranks on two nodes, unless `size` says otherwise."""

    def __init__(self, name, *arguments, size=("--nodes", 2, "--cpus", 2), **environment):
        self.output = FOLDER / name
        shutil.rmtree(self.output, ignore_errors=True)
        self.submitted = time.time()
        done = run(TUTTI, "submit", WORK / "recipe.toml", "--output", self.output, *size, *arguments, **environment)
        self.number = re.search(r"^job (\d+)$", done.stdout, re.M)[1]

    def property(self, name):
        text = run("scontrol", "show", "job", "--oneliner", self.number).stdout
        return re.search(rf"(?:^| ){name}=(\S*)", text)[1]

    def restarts(self):
        return int(self.property("Restarts"))

    def batch_log(self):
        path = self.output / "slurm" / f"{self.output.name}-{self.number}.log"
        return path.read_text() if path.exists() else ""

    def log(self, start=0):
        """What the ranks wrote in this start of the job."""
        path = self.output / "slurm" / f"{self.output.name}-{self.number}.{start}.log"
        return path.read_text() if path.exists() else ""

    def logs(self):
        return self.batch_log() + "".join(self.log(start) for start in range(9))

    def steps(self):
        path = self.output / "metrics.jsonl"
        records = [json.loads(line) for line in path.read_text().splitlines(True) if line.endswith("\n")] if path.exists() else []
        return max((record["step"] for record in records), default=0)

    def wait_for_step(self, step, seconds=60):
        try:
            wait_for(f"step {step} of job {self.number}", lambda: self.steps() >= step, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def wait_for_state(self, state, seconds=90):
        """A requeued job is COMPLETED, or another end, for a moment before it is PENDING: an end must last."""
        ends = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL")

        def reached():
            found = self.property("JobState")
            if found in ends:
                time.sleep(1)
                if self.property("JobState") != found:
                    return False
                if found != state:
                    raise AssertionError(f"job {self.number} is {found}, not {state}:\n{self.logs()}")
            return found == state
        try:
            wait_for(f"job {self.number} {state}", reached, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def cancel(self):
        run("scancel", self.number)
        self.wait_for_state("CANCELLED")
        wait_for("idle nodes", lambda: "CG" not in run("squeue", "--noheader", "--format=%t").stdout, 30)

    def ranks(self):
        """The processes of the ranks, on whatever node: this host sees them all."""
        pids = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] == os.fsencode(TUTTI) and os.fsencode(self.output) in words:
                pids.append(int(entry.name))
        return pids

    def weights(self):
        return (self.output / "checkpoints" / "latest" / "model.safetensors").read_bytes()

    def losses(self):
        records = map(json.loads, (self.output / "metrics.jsonl").read_text().splitlines())
        return [(record["step"], record["loss"]) for record in records if "split" not in record]


class PlainJob(Job):
    """A batch script as a user without `tutti submit` hands it in, with two ranks on two nodes."""

    def __init__(self, name, script, *arguments, **environment):
        self.output = FOLDER / name
        (self.output / "slurm").mkdir(parents=True, exist_ok=True)
        done = run("sbatch", "--parsable", "--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=2", f"--job-name={name}",
                   f"--output={self.output}/slurm/%x-%j.log", SOURCE / "slurm" / f"{script}.sbatch", *arguments,
                   TUTTI=str(TUTTI), TUTTI_LOGS=str(self.output / "slurm"), **environment)
        self.number = done.stdout.strip()


def by_mpirun(name, *arguments):
    """The same training without SLURM, on two ranks of this host: its weights."""
    output = FOLDER / name
    shutil.rmtree(output, ignore_errors=True)
    run("mpirun", "-n", 2, "--host", "localhost:2", "--bind-to", "none", TUTTI, "train", WORK / "recipe.toml", "--output", output, *arguments,
        OMPI_MCA_btl_tcp_if_include="lo", OMPI_MCA_oob_tcp_if_include="lo")
    return (output / "checkpoints" / "latest" / "model.safetensors").read_bytes()


def check_failures(test, ranks_by):
    for key, code in [("data.shards=nowhere", 1), ("features.frames=64", 2)]:
        job = PlainJob(f"fails-{code}", "train", WORK / "recipe.toml", "--output", FOLDER / "fails", "--set", key, TUTTI_RANKS_BY=ranks_by)
        job.wait_for_state("FAILED")
        test.assertEqual(job.property("ExitCode"), f"{code}:0", job.logs())
        test.assertEqual(job.restarts(), 0)
        test.assertIn({1: "'nowhere'", 2: "features.frames = 64"}[code], job.log())


class Train(unittest.TestCase):
    def test_ends_with_the_weights_of_a_run_without_slurm(self):
        job = Job("train")
        job.wait_for_step(1)
        print(f"from sbatch to the first step in the log: {time.time() - job.submitted:.1f} s", flush=True)
        job.wait_for_state("COMPLETED")
        self.assertEqual(job.weights(), by_mpirun("without-slurm"))
        log = job.log()
        self.assertIn("2 ranks on 2 nodes", log)
        self.assertEqual(log.count("2 ranks on 2 nodes"), 1, "the first rank speaks for all")
        self.assertNotIn("\r", log, "no terminal, so no line is rewritten")
        self.assertNotIn("\x1b", log)
        self.assertIn("tutti train ended with 0", job.batch_log())
        self.assertEqual(job.restarts(), 0)

        # The run is there: a second job of it has nothing to do. And its scores.
        again = PlainJob("again", "train", WORK / "recipe.toml", "--output", job.output)
        again.wait_for_state("COMPLETED")
        self.assertIn("already at step", again.log())
        scores = PlainJob("scores", "evaluate", job.output, "--json")
        scores.wait_for_state("COMPLETED")
        self.assertEqual(json.loads(scores.log().splitlines()[-1])["count"], 8)

    def test_shards_are_those_of_a_run_without_slurm(self):
        config = FOLDER / "shard.toml"
        config.write_text((WORK / "shards.toml").read_text().replace(str(WORK / "shards"), str(FOLDER / "shards")))
        shutil.rmtree(FOLDER / "shards", ignore_errors=True)
        job = PlainJob("shard", "shard", config)
        job.wait_for_state("COMPLETED")
        self.assertEqual(job.restarts(), 0, job.logs())
        for path in (WORK / "shards").glob("*.h5"):
            self.assertEqual((FOLDER / "shards" / path.name).read_bytes(), path.read_bytes(), path.name)

    def test_what_cannot_be_is_said_before_it_is_submitted(self):
        def refused(*arguments):
            done = run(TUTTI, "submit", WORK / "recipe.toml", "--output", FOLDER / "refused", *arguments, expect=2)
            self.assertFalse((FOLDER / "refused").exists())
            return done.stderr
        self.assertIn("optimizer.weight_decay?", refused("--set", "optimizer.weigth_decay=1"))
        self.assertIn("train.batch = 10", refused("--nodes", 6, "--ranks", 2))
        self.assertIn("features.frames = 64", refused("--set", "features.frames=64"))
        done = run(TUTTI, "submit", WORK / "recipe.toml", "--output", FOLDER / "refused", "--partition", "nowhere", expect=1)
        self.assertIn("invalid partition", done.stderr)

    def test_a_failure_is_not_repeated(self):
        """What the ranks alone can find: bad usage (2) and another failure (1)."""
        check_failures(self, "srun")


class Requeue(unittest.TestCase):
    def test_a_signal_saves_and_the_job_goes_on_to_the_same_weights(self):
        epochs = ["--set", "train.epochs=40", "--set", "train.validate_every=40", "--set", "checkpoint.every_epochs=40"]
        job = Job("requeued", *epochs)
        job.wait_for_step(10)
        run("scancel", "--batch", "--signal=USR1", job.number)  # as --signal=B:USR1@300 does
        job.wait_for_state("COMPLETED", 120)
        self.assertEqual(job.restarts(), 1)
        self.assertIn("stopped by a signal at step", job.log(0))
        self.assertIn("going on from step", job.log(1))
        for line in ("got USR1", "ended with 75", "back into the queue", "start 1: tutti train ended with 0"):
            self.assertIn(line, job.batch_log())
        self.assertEqual([step for step, _ in job.losses()], list(range(1, 161)))
        self.assertEqual(job.weights(), by_mpirun("not-requeued", *epochs))

    def test_a_killed_rank_ends_the_start_not_the_job(self):
        job = Job("killed", *LONG, "--set", "checkpoint.every_steps=5")
        job.wait_for_step(10)
        ranks = job.ranks()
        self.assertEqual(len(ranks), 2)
        os.kill(ranks[1], signal.SIGKILL)
        wait_for("a second start", lambda: "going on from step" in job.log(1), 60)
        self.assertIn("ended with 137", job.batch_log())
        job.cancel()
        self.assertEqual(job.ranks(), [])

    def test_the_count_is_bounded(self):
        job = Job("bounded", *LONG, "--max-restarts", 1)
        job.wait_for_step(3)
        run("scancel", "--batch", "--signal=USR1", job.number)
        wait_for("a second start", lambda: job.restarts() == 1 and "going on" in job.log(1), 60)
        run("scancel", "--batch", "--signal=USR1", job.number)
        job.wait_for_state("FAILED")
        self.assertEqual(job.property("ExitCode"), "75:0")
        self.assertIn("restart 1 of at most 1: giving up", job.batch_log())


class TimeLimit(unittest.TestCase):
    def test_saves_before_the_limit_and_goes_on(self):
        job = Job("limited", *LONG, "--time", 1, "--signal-before", 40)
        wait_for("a second start", lambda: "going on from step" in job.log(1), 150)
        self.assertRegex(job.batch_log(), "got USR1")
        self.assertNotIn("TIME LIMIT", job.logs())
        job.wait_for_step(int(re.search(r"stopped by a signal at step (\d+)", job.log())[1]) + 3)
        job.cancel()


class Preemption(unittest.TestCase):
    """SLURM sends TERM to everything in the job, and no other signal."""

    def preempt(self, name, **environment):
        job = Job(name, *LONG, **environment)
        job.wait_for_step(5)
        run("sbatch", "--wait", "--partition=urgent", "--nodes=1", "--output=/dev/null", "--wrap=true")
        wait_for("a second start", lambda: "going on from step" in job.log(1), 90)
        self.assertIn("DUE TO PREEMPTION", job.batch_log())
        self.assertNotIn("back into the queue", job.batch_log(), "SLURM does that")
        self.assertIn("got TERM", job.batch_log())
        saved = int(re.search(r"going on from step (\d+)", job.log(1))[1])
        self.assertGreaterEqual(saved, 5, "saved when TERM came: there is no other checkpoint")
        job.wait_for_step(saved + 3)
        job.cancel()
        self.assertEqual(job.restarts(), 1, "what was cancelled stays so")

    def test_srun(self):
        self.preempt("preempted")

    def test_mpirun(self):
        self.preempt("preempted-mpirun", TUTTI_RANKS_BY="mpirun")


class NodeKilled(unittest.TestCase):
    def test_goes_on_elsewhere(self):
        job = Job("crashed", "--set", "train.epochs=4000", "--set", "train.validate_every=4000", "--set", "checkpoint.every_steps=5")
        job.wait_for_step(20)
        name = job.property("NodeList")  # n[1-2]
        self.assertEqual(name, "n[1-2]")
        killed = time.time()
        os.kill(int((CLUSTER / "n2.pid").read_text()), signal.SIGKILL)
        wait_for("a second start", lambda: "going on from step" in job.log(1), 120)
        saved = int(re.search(r"going on from step (\d+)", job.log(1))[1])
        job.wait_for_step(saved + 3)
        print(f"from a node's loss to the first step after it: {time.time() - killed:.1f} s", flush=True)
        self.assertGreaterEqual(saved, 20)
        self.assertEqual(job.property("NodeList"), "n[1,3]")
        self.assertEqual(job.restarts(), 1)
        job.cancel()

        # The node comes back, and is used again.
        with subprocess.Popen([HERE / "node.sh", CLUSTER, "n2", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as node:
            try:
                self.assertEqual(sorted(run("srun", "--nodes=3", "--mpi=none", "hostname").stdout.split()), ["n1", "n2", "n3"])
            finally:
                node.kill()


class Mpirun(unittest.TestCase):
    def test_trains_and_is_requeued_as_under_srun(self):
        epochs = ["--set", "train.epochs=40", "--set", "train.validate_every=40", "--set", "checkpoint.every_epochs=40"]
        job = Job("mpirun", *epochs, TUTTI_RANKS_BY="mpirun")
        job.wait_for_step(10)
        run("scancel", "--batch", "--signal=USR1", job.number)
        job.wait_for_state("COMPLETED", 120)
        self.assertEqual(job.restarts(), 1)
        self.assertIn("2 ranks on 2 nodes", job.log())
        self.assertNotIn("\r", job.logs())
        self.assertEqual(job.weights(), by_mpirun("not-requeued", *epochs))

    def test_a_failure_is_not_repeated(self):
        check_failures(self, "mpirun")


class Affinity(unittest.TestCase):
    """Three nodes with two ranks each."""

    def test_every_rank_has_cores_of_its_own(self):
        ranks = FOLDER / "ranks.sh"
        ranks.write_text("#!/bin/sh\necho $(hostname) $(sed -n 's/^Cpus_allowed_list:\\t//p' /proc/self/status)\n")
        ranks.chmod(0o755)
        for by in ("srun", "mpirun"):
            done = run("sbatch", "--parsable", "--wait", "--nodes=3", "--ntasks-per-node=2", "--cpus-per-task=1", f"--output={FOLDER}/%x-%j.log",
                       SOURCE / "slurm" / "train.sbatch", TUTTI=str(ranks), TUTTI_LOGS=str(FOLDER / "ranks"), TUTTI_RANKS_BY=by)
            text = (FOLDER / "ranks" / f"train-{done.stdout.strip()}.0.log").read_text()
            cores = re.findall(r"^(n\d \d+)$", text, re.M)
            self.assertEqual(len(cores), 6, f"{by}: {text}")
            self.assertEqual(len(set(cores)), 6, f"{by}: {text}")

    def test_six_ranks_on_three_nodes(self):
        job = Job("six", size=("--nodes", 3, "--ranks", 2, "--cpus", 1))
        job.wait_for_state("COMPLETED", 120)
        self.assertIn("6 ranks on 3 nodes; 1 of 1 core", job.log())


class DryRun(unittest.TestCase):
    def submit(self, *arguments, expect=0, cwd=None):
        command = [str(TUTTI), "submit", str(WORK / "recipe.toml"), "--dry-run", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stdout

    def test_options_become_those_of_sbatch(self):
        text = self.submit("--nodes", 4, "--gpus", 8, "--cpus", 12, "--time", "12:00:00", "--partition", "gpu", "--account", "lab", "--constraint",
                           "a100|h100", "--set", "optimizer.lr=1e-4", "--sbatch=--qos=low", "--signal-before", 600, "--max-restarts", 7,
                           "--set", "train.batch=64", "--output", "runs/it's here")
        self.assertFalse(Path("runs/it's here").exists())
        command, _, script = text.partition("\n\n# ")
        for option in ["--nodes=4", "--ntasks-per-node=8", "--cpus-per-task=12", "--gpus-per-node=8", "--time=12:00:00", "--partition=gpu",
                       "--account=lab", "'--constraint=a100|h100'", "--signal=B:USR1@600", "--qos=low", "TUTTI_MAX_RESTARTS=7",
                       f"TUTTI={TUTTI}", "--set optimizer.lr=1e-4", "--output 'runs/it'\\''s here'"]:
            self.assertIn(option, command)
        self.assertNotIn("gpus-per-task", text)
        self.assertTrue(script.endswith((SOURCE / "slurm" / "train.sbatch").read_text()))

    def test_what_is_not_asked_for_is_left_to_the_script(self):
        command = self.submit().partition("\n\n# ")[0]
        for option in ["--time", "--partition", "--account", "--constraint", "--gpus"]:
            self.assertNotIn(option, command)
        self.assertIn("--output runs/recipe", command)

    def test_the_user_s_own_scripts_come_first(self):
        own = FOLDER / "own"
        shutil.rmtree(own, ignore_errors=True)
        shutil.copytree(SOURCE / "slurm", own / "slurm")
        self.assertIn(f"TUTTI_SLURM={own}/slurm", self.submit(cwd=own))
        self.assertIn(f"TUTTI_SLURM={own}/slurm", self.submit("--scripts", own / "slurm"))
        self.submit("--scripts", FOLDER, expect=2)

    def test_the_command_is_one_that_a_shell_runs(self):
        """With a sbatch that shows what it was given."""
        fake = FOLDER / "fake"
        fake.mkdir(parents=True, exist_ok=True)
        (fake / "sbatch").write_text('#!/bin/sh\necho "$TUTTI_MAX_RESTARTS"\nprintf "%s\\n" "$@"\n')
        (fake / "sbatch").chmod(0o755)
        command = self.submit("--output", "runs/a 'b' $c").partition("\n\n# ")[0]
        path = f"{fake}:{os.environ['PATH']}"
        lines = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env={**os.environ, "PATH": path}, check=True).stdout.splitlines()
        self.assertEqual(lines[0], "20")
        self.assertIn("runs/a 'b' $c", lines)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        if old.name != CLUSTER.name:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    unittest.main(argv=[sys.argv[0], sys.argv[4]], verbosity=2)
