"""What tutti launch does about ranks that die or hang, with real kills: restart_test.py TUTTI FOLDER SUITE

Needs the shards that program_test.py makes in FOLDER.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from harness import FOLDER, RECIPE, TUTTI, lines, run, running, train, weights

# Small steps and many checkpoints: there is something to go on from soon.
LONG = ["--set", "train.epochs=40", "--set", "checkpoint.every_steps=5", "--set", "train.validate_every=20"]
ENDLESS = ["--set", "train.epochs=100000", "--set", "train.validate_every=0", "--set", "checkpoint.every_epochs=20"]


def parents():
    """The parent of each process that is not a zombie."""
    result = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            result[int(name)] = int(parent)
    return result


class Job(unittest.TestCase):
    def start(self, name, *arguments, ranks=2, launch=()):
        """Trains under tutti launch; whatever the test does, no process of it is left afterwards."""
        self.output = FOLDER / name
        shutil.rmtree(self.output, ignore_errors=True)
        self.log = open(FOLDER / f"{name}.log", "w+")
        command = [TUTTI, "launch", "-n", ranks, *launch, "--", "train", RECIPE, "--output", self.output, *arguments]
        self.launcher = subprocess.Popen([*map(str, command)], stdout=self.log, stderr=subprocess.STDOUT)
        self.addCleanup(self.log.close)
        self.addCleanup(self.clean_up)

    def clean_up(self):
        for process in [self.launcher.pid, *self.of_job()]:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.launcher.wait(30)

    def of_job(self):
        """The processes whose command line names the run: launcher, mpirun and ranks."""
        word, result = str(self.output).encode(), []
        for process in parents():
            try:
                with open(f"/proc/{process}/cmdline", "rb") as file:
                    if word in file.read().split(b"\0"):
                        result.append(process)
            except OSError:
                pass
        return result

    def mpirun(self):
        return next((child for child, parent in parents().items() if parent == self.launcher.pid), None)

    def ranks(self):
        """The ranks in their order: mpirun starts them so."""
        mpirun = self.mpirun()
        known = running(self.output)
        return sorted(child for child, parent in parents().items() if mpirun and parent == mpirun and child in known)

    def text(self):
        with open(self.log.name) as file:
            return file.read()

    def wait_until(self, what, condition, seconds=60):
        deadline = time.time() + seconds
        while not condition():
            if time.time() > deadline:
                self.fail(f"{what}: not within {seconds} s\n{self.text()}")
            time.sleep(0.02)

    def wait_for_steps(self, count):
        metrics = self.output / "metrics.jsonl"
        self.wait_until(f"{count} log lines", lambda: metrics.exists() and metrics.read_text().count("\n") >= count)

    def wait_for_end(self, code, seconds=120):
        try:
            self.launcher.wait(seconds)
        except subprocess.TimeoutExpired:
            self.fail(f"still running\n{self.text()}")
        self.assertEqual(self.launcher.returncode, code, self.text())

    def assert_none_left(self, seconds):
        start = time.time()
        self.wait_until("the end of every process of the job", lambda: not self.of_job(), seconds)
        return time.time() - start


class Restarting(Job):
    def test_a_killed_rank_costs_no_more_than_the_steps_since_the_checkpoint(self):
        whole = FOLDER / "never-restarted"
        train(whole, *LONG, ranks=2)
        self.start("restarted", *LONG, launch=["--max-restarts", 5, "--backoff", 0.5])
        for kill in (1, 2):
            self.wait_for_steps(30 * kill)
            os.kill(self.ranks()[kill % 2], signal.SIGKILL)
            killed = time.time()
            self.wait_until("a restart", lambda: f"restart {kill} of 5" in self.text())
            self.wait_until("a step after it", lambda: self.text().count("going on from step") == kill)
            print(f"killed, goes on after {time.time() - killed:.1f} s, back-off of {0.5 * kill} s included", flush=True)
        self.wait_for_end(0)
        self.assertEqual(weights(self.output), weights(whole))
        self.assertEqual(lines(self.output), lines(whole))
        self.assertIn("killed by signal 9 (Killed): restart 1 of 5 in 0.5 s", self.text())
        self.assertIn("restart 2 of 5 in 1 s", self.text())
        self.assert_none_left(1)

    def test_output_that_nobody_reads(self):
        output = FOLDER / "unread"
        shutil.rmtree(output, ignore_errors=True)
        command = [TUTTI, "launch", "-n", 2, "--", "train", RECIPE, "--output", output, *LONG]
        launcher = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        launcher.stdout.readline()
        launcher.stdout.close()
        self.assertEqual(launcher.wait(120), 0)
        self.assertEqual(weights(output), weights(FOLDER / "never-restarted"))

    def test_restarts_are_counted(self):
        self.start("counted", *ENDLESS, launch=["--max-restarts", 1, "--backoff", 0])
        for kill in range(2):
            self.wait_until("ranks", lambda: len(self.ranks()) == 2)
            os.kill(self.ranks()[0], signal.SIGKILL)
            if kill == 0:
                self.wait_until("a restart", lambda: "restart 1 of 1" in self.text())
        self.wait_for_end(137)
        self.assertIn("restarted 1 times", self.text())
        self.assert_none_left(1)

    def test_what_would_fail_again_is_not_restarted(self):
        for arguments, code in ((["--set", "train.epohcs=3"], 2), (["--set", "data.shards=none"], 1)):
            self.start("bad", *arguments, launch=["--max-restarts", 3])
            self.wait_for_end(code)
            self.assertNotIn("restart", self.text())

    def test_a_signal_before_the_restart_ends_with_75(self):
        self.start("disturbed", *ENDLESS, launch=["--max-restarts", 3, "--backoff", 600])
        self.wait_for_steps(2)
        os.kill(self.ranks()[1], signal.SIGKILL)
        self.wait_until("a restart", lambda: "restart 1 of 3 in 600 s" in self.text())
        self.launcher.send_signal(signal.SIGTERM)
        self.wait_for_end(75, seconds=10)
        self.assertIn("start again", self.text())

    def test_a_second_interrupt_ends_ranks_that_do_not_stop(self):
        self.start("interrupted", *ENDLESS)
        self.wait_for_steps(2)
        os.kill(self.ranks()[1], signal.SIGSTOP)
        self.launcher.send_signal(signal.SIGINT)
        time.sleep(1)
        self.assertIsNone(self.launcher.poll())
        self.launcher.send_signal(signal.SIGINT)
        self.wait_for_end(130, seconds=10)
        self.assert_none_left(1)


class Orphans(Job):
    SECONDS = 5

    def kill(self, victim, *arguments, launch=()):
        self.start(f"orphans-{victim}", *ENDLESS, *arguments, launch=launch)
        self.wait_for_steps(8)
        process = {"launcher": lambda: self.launcher.pid, "mpirun": self.mpirun, "rank": lambda: self.ranks()[1]}[victim]()
        self.assertEqual(len(self.of_job()), 4, "launcher, mpirun and two ranks")
        os.kill(process, signal.SIGKILL)

    def test_a_killed_launcher_leaves_none(self):
        self.kill("launcher")
        self.launcher.wait(10)
        print(f"launcher killed: all gone after {self.assert_none_left(self.SECONDS):.2f} s", flush=True)

    def test_a_killed_mpirun_leaves_none(self):
        self.kill("mpirun")
        print(f"mpirun killed: all gone after {self.assert_none_left(self.SECONDS):.2f} s", flush=True)
        self.wait_for_end(137)

    def test_a_killed_rank_leaves_none(self):
        self.kill("rank")
        print(f"rank killed: all gone after {self.assert_none_left(self.SECONDS):.2f} s", flush=True)
        self.wait_for_end(137)

    def test_launcher_and_mpirun_killed_together_leave_none(self):
        self.start("orphans-both", *ENDLESS)
        self.wait_for_steps(2)
        mpirun = self.mpirun()
        os.kill(self.launcher.pid, signal.SIGSTOP)  # so that neither sees the other's end
        os.kill(mpirun, signal.SIGKILL)
        self.launcher.kill()
        self.launcher.wait(10)
        print(f"both killed: all gone after {self.assert_none_left(self.SECONDS):.2f} s", flush=True)

    def test_ranks_of_a_killed_mpirun_are_gone_before_the_restart(self):
        self.kill("mpirun", "--set", "checkpoint.every_steps=5", launch=["--max-restarts", 1, "--backoff", 0])
        self.wait_until("going on", lambda: "going on from step" in self.text())
        self.launcher.send_signal(signal.SIGTERM)
        self.wait_for_end(75)


class Hanging(Job):
    def hang(self, name, ranks, stopped, *arguments, **more):
        self.start(name, *arguments, "--hang-after", 2, ranks=ranks, **more)
        self.wait_for_steps(3)
        self.stopped = self.ranks()[stopped]
        os.kill(self.stopped, signal.SIGSTOP)

    def complaint(self, stopped):
        found = re.findall(r"rank (\d+) has waited (\d+) s in (\w+) (\d+) of communicator '([\w ]+)' \(did not arrive: ([^.]*)\)", self.text())
        self.assertTrue(found, self.text())
        for rank, seconds, collective, number, communicator, missing in found:
            self.assertEqual(re.findall(r"rank (\d+) \(does not answer", missing), [str(stopped)], self.text())
            self.assertNotEqual(int(rank), stopped)
            self.assertGreaterEqual(int(seconds), 2)
            self.assertIn(collective, ("all_reduce", "broadcast", "all_gather", "barrier"))
            self.assertGreater(int(number), 3)
        return found

    def test_who_did_not_arrive_is_named_and_the_code_is_76(self):
        for ranks, stopped, overlap in ((2, 1, "on"), (2, 0, "off"), (4, 2, "on")):
            self.hang(f"hanging-{ranks}-{stopped}", ranks, stopped, *ENDLESS, "--set", f"communication.overlap={overlap}")
            start = time.time()
            self.wait_for_end(76, seconds=60)
            print(f"{ranks} ranks, {stopped} stopped: ended after {time.time() - start:.1f} s", flush=True)
            self.complaint(stopped)
            self.assert_none_left(2)

    def test_a_hung_rank_costs_no_more_than_the_steps_since_the_checkpoint(self):
        whole = FOLDER / "never-hung"
        train(whole, *LONG, ranks=2)
        self.hang("hung", 2, 1, *LONG, launch=["--max-restarts", 1, "--backoff", 0])
        self.wait_for_end(0)
        self.complaint(1)
        self.assertIn("a rank hung or vanished (exit code 76): restart 1 of 1", self.text())
        self.assertEqual(weights(self.output), weights(whole))
        self.assertEqual(lines(self.output), lines(whole))

    def test_a_job_that_was_suspended_as_a_whole_goes_on(self):
        self.start("suspended", *LONG, "--hang-after", 2)
        self.wait_for_steps(3)
        ranks = self.ranks()
        for rank in ranks:
            os.kill(rank, signal.SIGSTOP)
        time.sleep(6)
        for rank in ranks:
            os.kill(rank, signal.SIGCONT)
        self.wait_for_end(0)

    def test_no_limit(self):
        self.start("unlimited", *ENDLESS, "--hang-after", 0)
        self.wait_for_steps(3)
        stopped = self.ranks()[1]
        os.kill(stopped, signal.SIGSTOP)
        time.sleep(8)
        self.assertIsNone(self.launcher.poll(), self.text())
        os.kill(stopped, signal.SIGCONT)
        self.launcher.send_signal(signal.SIGTERM)
        self.wait_for_end(75)

    def test_bad_limit(self):
        self.assertIn("--hang-after", run("train", RECIPE, "--output", FOLDER / "x", "--hang-after", "-1", expect=2).stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], sys.argv[3]], verbosity=2)
