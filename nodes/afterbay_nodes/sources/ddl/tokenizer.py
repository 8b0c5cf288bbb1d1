"""SQL text -> tokens, for the dialects of MySQL and its kin.

Comments vanish; executable ones (``/*!50100 … */``, ``/*M! … */``, ``/*T![feature] … */``) are read as if they stood
bare. Each token knows where it starts and ends in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

LONGEST_STATEMENT = 1 << 20
"""Characters. A token costs about 150 bytes, and a statement may have one a character."""


class SqlError(ValueError):
    """The statement cannot be read. `offset` is the character in the statement."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} (character {offset + 1} of the statement)")
        self.offset = offset


class TokenKind(Enum):
    """What a token is."""

    WORD = auto()  # an unquoted name or keyword
    QUOTED = auto()  # a name in backticks
    STRING = auto()  # a text in ' or ": the latter is a name where one is wanted
    NUMBER = auto()
    MARK = auto()  # one character of punctuation
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `text` is unquoted; `upper` is set for words only, so that a quoted name is never a keyword."""

    kind: TokenKind
    text: str
    upper: str
    start: int
    end: int
    quote: str = ""


_BLANK = re.compile(r"\s+|#[^\n]*|--(?=\s|\Z)[^\n]*")
_EXECUTABLE = re.compile(r"/\*(?:M?![0-9]{0,6}|T!(?:\[[^\]]*\])?)")
_NUMBER = re.compile(
    r"0[xX][0-9A-Fa-f]+(?![\w$])|0b[01]+(?![\w$])|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w$])"
)
_WORD = re.compile(r"[\w$]+")
_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}


def tokenize(sql: str) -> list[Token]:
    """All tokens, the last of kind END.

    Raises SqlError for a quote or comment that does not end, and for more than `LONGEST_STATEMENT` characters.
    """
    tokens: list[Token] = []
    at, size = 0, len(sql)
    if size > LONGEST_STATEMENT:
        raise SqlError(f"it has {size} characters, and only {LONGEST_STATEMENT} are read", LONGEST_STATEMENT)
    executable = 0
    while at < size:
        if blank := _BLANK.match(sql, at):
            at = blank.end()
        elif sql.startswith("/*", at):
            if opened := _EXECUTABLE.match(sql, at):
                executable += 1
                at = opened.end()
                continue
            end = sql.find("*/", at + 2)
            if end < 0:
                raise SqlError("a comment does not end", at)
            at = end + 2
        elif executable and sql.startswith("*/", at):
            executable -= 1
            at += 2
        elif sql[at] in "`'\"":
            tokens.append(_quoted(sql, at))
            at = tokens[-1].end
        elif number := _NUMBER.match(sql, at):
            tokens.append(Token(TokenKind.NUMBER, number[0], "", at, number.end()))
            at = number.end()
        elif word := _WORD.match(sql, at):
            tokens.append(Token(TokenKind.WORD, word[0], word[0].upper(), at, word.end()))
            at = word.end()
        else:
            tokens.append(Token(TokenKind.MARK, sql[at], "", at, at + 1))
            at += 1
    if executable:
        raise SqlError("an executable comment does not end", size)
    tokens.append(Token(TokenKind.END, "", "", size, size))
    return tokens


def _quoted(sql: str, start: int) -> Token:
    quote = sql[start]
    escapes = quote != "`"
    parts: list[str] = []
    at = start + 1
    while at < len(sql):
        char = sql[at]
        if char == quote:
            if not sql.startswith(quote, at + 1):
                kind = TokenKind.STRING if escapes else TokenKind.QUOTED
                return Token(kind, "".join(parts), "", start, at + 1, quote)
            parts.append(quote)
            at += 2
        elif char == "\\" and escapes and at + 1 < len(sql):
            parts.append(_ESCAPES.get(sql[at + 1], sql[at + 1]))
            at += 2
        else:
            parts.append(char)
            at += 1
    raise SqlError(f"a name or text in {quote} does not end", start)


def _closes(token: Token) -> bool:
    return token.kind is TokenKind.MARK and token.text == ";"


def statements(sql: str) -> list[str]:
    """The statements of a text, without the semicolons between them. Raises SqlError as `tokenize` does."""
    found: list[str] = []
    start = 0
    for token in tokenize(sql):
        if _closes(token) or token.kind is TokenKind.END:
            found.append(sql[start : token.start].strip())
            start = token.end
    return [text for text in found if text]


class Cursor:
    """Reads the tokens of one statement, closing semicolons left out; a second statement raises SqlError.

    Keywords are compared in upper case, quoted names never match one. `bare` collects where table names without a
    schema start.
    """

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.bare: list[int] = []
        self._tokens = tokenize(sql)
        while len(self._tokens) > 1 and _closes(self._tokens[-2]):
            del self._tokens[-2]
        if second := next(filter(_closes, self._tokens), None):
            raise SqlError("there is more than one statement", second.start)
        self._at = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self._tokens[self._at]

    @property
    def ended(self) -> bool:
        """True at the end of the statement."""
        return self.token.kind is TokenKind.END

    def next(self) -> Token:
        """Takes a token; at the end it stays there."""
        token = self._tokens[self._at]
        if token.kind is not TokenKind.END:
            self._at += 1
        return token

    def sees(self, *words: str) -> bool:
        """True if the next tokens are these keywords or marks."""
        tokens, at = self._tokens, self._at
        if len(tokens) - at < len(words):
            return False
        for word in words:  # as long as the words are, however long the statement is
            token = tokens[at]
            if token.upper != word and (token.kind is not TokenKind.MARK or token.text != word):
                return False
            at += 1
        return True

    def takes(self, *words: str) -> bool:
        """Takes these keywords or marks if they are next."""
        if not self.sees(*words):
            return False
        self._at += len(words)
        return True

    def takes_any(self, *words: str) -> str | None:
        """Takes one of these keywords if it is next, and says which."""
        return next((word for word in words if self.takes(word)), None)

    def expect(self, *words: str) -> None:
        """Takes these keywords or marks, or raises SqlError."""
        if not self.takes(*words):
            raise self.error(f"wanted {' '.join(words)}")

    def name(self) -> str:
        """Takes a name: bare, in backticks or in ANSI double quotes."""
        token = self.token
        ansi = token.kind is TokenKind.STRING and token.quote == '"'
        if token.kind in (TokenKind.WORD, TokenKind.QUOTED) or ansi:
            return self.next().text
        raise self.error("wanted a name")

    def skip_parentheses(self) -> None:
        """Takes a balanced ``( … )``, which must be next."""
        self.expect("(")
        depth = 1
        while depth:
            if self.token.kind is TokenKind.END:
                raise self.error("a parenthesis does not close")
            token = self.next()
            if token.kind is TokenKind.MARK:
                depth += {"(": 1, ")": -1}.get(token.text, 0)

    def error(self, message: str) -> SqlError:
        """An error at the next token."""
        found = self.token.text[:60] if self.token.kind is not TokenKind.END else "the end"
        return SqlError(f"{message}, found {found!r}", self.token.start)
