"""Shows the libraries of the config folder as people choose among them: each with its verdict, switched, taken back.

Any thread; blocking, for up to LIBRARY_TIMEOUT a library that is not known yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoshikage.errors import InstallFailed, LibraryUnavailable
from hoshikage.library import fingerprint, library_state, locate, store
from hoshikage.library.check_report import CheckReport
from hoshikage.messages import Language, text

Judge = Callable[[Path], CheckReport]


@dataclass(frozen=True, slots=True)
class Row:
    """This is one library, and what is thought of it."""

    library: store.InstalledLibrary
    verdict: CheckReport | LibraryUnavailable | None
    """`verdict` is None where the folder holds no libllama."""
    in_use: bool
    name: str

    def data(self, language: Language) -> dict[str, Any]:
        """Gives the case as JSON has it, with the verdict in words."""
        judged = self.verdict if isinstance(self.verdict, CheckReport) else None
        return {
            "name": self.name,
            "in_use": self.in_use,
            "file": str(self.library.file) if self.library.file else None,
            "release": self.library.release or (judged.version if judged else ""),
            "backends": self.library.backends,
            "devices": [device.name for device in judged.devices] if judged else [],
            "size_bytes": self.library.size_bytes,
            "origin": self.library.record.origin if self.library.record else None,
            "usable": judged.ok if judged else False,
            "status": "usable" if judged and judged.ok else "refused" if self.verdict is not None else "empty",
            "key": self.verdict.key if self.verdict is not None else "",
            "verdict": self._words(language),
        }

    def _words(self, language: Language) -> str:
        return text(language, "installed.hollow") if self.verdict is None else judged_words(self.verdict, language)


@dataclass(frozen=True, slots=True)
class Switched:
    """This is in use from the next load on."""

    name: str
    file: Path
    release: str


@dataclass(frozen=True, slots=True)
class Case:
    """`judge` gives the verdict on a file; `lib_path` is HOSHIKAGE_LIB_PATH, which goes before every choice."""

    lib_path: Path | None
    lib_dir: Path
    cache_dir: Path
    environ: Mapping[str, str]
    judge: Judge

    def in_use(self) -> locate.LocatedLibrary | None:
        """Returns the library in use; None where there is no library at all."""
        try:
            return locate.find(self.lib_path, self.lib_dir, self.environ)
        except LibraryUnavailable:
            return None

    def rows(self) -> list[Row]:
        """Lists all of them; one in use that is none of the config folder's goes first."""
        result = self.in_use()
        listed = [self._row(store.library(self.lib_dir, name), result) for name in library_state.names(self.lib_dir)]
        if result is not None and result.source != "config":
            listed.insert(0, Row(store.described(result.file), self._verdict(result.file), True, result.source))
        return listed

    def use(self, name: str, language: Language) -> Switched:
        """`language` is that of a refusal's reason. Raises NotFound, UsageError, InstallFailed, OSError."""
        return self._switched(store.library(self.lib_dir, name), language)

    def rollback(self, language: Language) -> Switched:
        """Goes back to what was in use before the last choice or installation; else to the last other one that loaded a
        model.

        Raises InstallFailed, OSError.
        """
        result = self.in_use()
        chosen = library_state.read(self.lib_dir).use
        if (
            chosen is not None
            and result is not None
            and result.installed == chosen.installed
            and chosen.before in library_state.names(self.lib_dir)
            and chosen.lib_seen == store.hand_look(self.lib_dir)  # else `lib` was changed by hand since
        ):
            return self._switched(store.library(self.lib_dir, chosen.before), language)
        current = fingerprint.of_set(result.file, self.cache_dir) if result is not None else ""
        former = store.previous(self.lib_dir, self.cache_dir, current)
        if former is None:
            raise InstallFailed("installed.no_former")
        return self._switched(former[1], language)

    def notes(self, language: Language) -> list[str]:
        """Returns what people should know of the choice: that another library was taken back, that a setting goes
        before."""
        if self.lib_path is not None:
            return [text(language, "library.overridden", variable=locate.VARIABLE, path=self.lib_path)]
        fallen = library_state.read(self.lib_dir).fallen
        return [fallen_words(fallen, language)] if fallen is not None else []

    def _row(self, library: store.InstalledLibrary, located: locate.LocatedLibrary | None) -> Row:
        in_use = located is not None and located.source == "config" and located.installed == library.name
        return Row(library, self._verdict(library.file) if library.file else None, in_use, library.name)

    def _verdict(self, file: Path) -> CheckReport | LibraryUnavailable:
        try:
            locate.checked(file)
            return self.judge(file)
        except LibraryUnavailable as refusal:
            return refusal

    def _switched(self, library: store.InstalledLibrary, language: Language) -> Switched:
        """Only a library that can be used is chosen; HOSHIKAGE_LIB_PATH is there for whoever wants a broken one."""
        if library.file is None:
            raise InstallFailed("library.nothing_inside", path=str(library_state.folder(self.lib_dir, library.name)))
        verdict = self._verdict(library.file)
        if isinstance(verdict, LibraryUnavailable) or not verdict.ok:
            reason = text(language, verdict.key, **verdict.details)
            raise InstallFailed("installed.use_refused", name=library.name, reason=reason)
        result = self.in_use()
        store.use(self.lib_dir, library.name, result.installed if result is not None else "")
        return Switched(library.name, library.file, library.release or verdict.version)


def judged_words(verdict: CheckReport | LibraryUnavailable, language: Language) -> str:
    """Puts a verdict into words for people."""
    if isinstance(verdict, CheckReport) and verdict.ok:
        return text(language, f"library.verdict_{'golden' if verdict.golden == 'passed' else 'good'}")
    return text(language, "library.verdict_refused", reason=text(language, verdict.key, **verdict.details))


def fallen_words(fallback: library_state.Fallback, language: Language) -> str:
    """Says why another library than the chosen one is in use."""
    reason = text(language, fallback.key, **fallback.details)
    return text(
        language,
        "installed.fallen",
        release=fallback.release,
        file=fallback.file,
        reason=reason,
        former=fallback.to_release,
        at=fallback.at,
    )
