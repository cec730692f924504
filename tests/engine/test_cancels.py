"""Cancels: a late cancel of an ended job never reaches the next one."""

from hoshikage._ffi.callbacks import AbortFlag
from hoshikage.engine.cancels import Cancels


def test_a_running_job_that_is_alone_has_its_decode_aborted() -> None:
    cancels, abort = Cancels(), AbortFlag()
    cancels.opened(1)
    cancels.admitted(1, abort)
    cancels.cancel(1)
    assert cancels.wanted(1)
    assert abort.is_set
    assert cancels.aborting


def test_the_end_of_a_job_clears_the_flag_for_the_next() -> None:
    cancels, abort = Cancels(), AbortFlag()
    cancels.opened(1)
    cancels.opened(2)
    cancels.admitted(1, abort)
    cancels.cancel(1)
    cancels.ended(1)
    cancels.admitted(2, abort)
    cancels.cancel(1)
    assert not abort.is_set
    assert not cancels.wanted(2)


def test_a_job_cancelled_while_it_waits_is_aborted_as_soon_as_it_runs() -> None:
    cancels, abort = Cancels(), AbortFlag()
    cancels.opened(1)
    cancels.cancel(1)
    assert not abort.is_set
    cancels.admitted(1, abort)
    assert abort.is_set


def test_one_of_two_running_jobs_does_not_abort_the_batch_of_both() -> None:
    cancels, abort = Cancels(), AbortFlag()
    for job in (1, 2):
        cancels.opened(job)
        cancels.admitted(job, abort)
    cancels.cancel(1)
    assert cancels.wanted(1)
    assert not abort.is_set


def test_stopping_cancels_everything() -> None:
    cancels, abort = Cancels(), AbortFlag()
    for job in (1, 2):
        cancels.opened(job)
    cancels.admitted(1, abort)
    cancels.cancel_all()
    assert cancels.wanted(1)
    assert cancels.wanted(2)
    assert abort.is_set
