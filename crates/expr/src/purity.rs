//! Whether a script can change the objects it is given.
//!
//! Items are parsed into JavaScript once and shared by all expressions. A script that might change
//! them gets copies of its own, which are thrown away after it. The judgement is by its tokens and
//! errs to one side only: a script is [`Purity::Reads`] when it has no assignment, no name that can
//! change an object (also not as text), no computed member, no function that can be a constructor.

/// What a script may do to the objects it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purity {
    /// It certainly only reads them.
    Reads,
    /// It may change them.
    MayWrite,
}

/// Names that change objects, lead to something that does, or make the tokens ambiguous.
const SUSPECT: &[&str] = &[
    "push",
    "pop",
    "shift",
    "unshift",
    "splice",
    "sort",
    "reverse",
    "fill",
    "copyWithin",
    "assign",
    "defineProperty",
    "defineProperties",
    "setPrototypeOf",
    "freeze",
    "seal",
    "preventExtensions",
    "__proto__",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "constructor",
    "prototype",
    "call",
    "apply",
    "bind",
    "delete",
    "function",
    "class",
    "new",
    "for",
    "if",
    "while",
    "do",
    "switch",
    "with",
    "return",
    "throw",
    "try",
    "typeof",
    "in",
    "of",
    "instanceof",
    "void",
    "yield",
    "await",
    "case",
    "else",
    "this",
    "let",
    "var",
    "const",
    "async",
    "captureStackTrace",
    "set",
    "clear",
    "add",
];

impl Purity {
    /// Judges a script.
    pub(crate) fn of(script: &str) -> Self {
        let mut scan = Scan { text: script, at: 0, last: Last::Operator };
        match scan.run(None) {
            Some(()) if scan.at == script.len() => Self::Reads,
            _ => Self::MayWrite,
        }
    }
}

/// What the last token was: decides whether `/` divides and whether `[` selects a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Operand,
    Operator,
    CloseBrace,
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    last: Last,
}

impl Scan<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Scans up to `close` (which is taken) or the end; `None` means "not certainly harmless".
    fn run(&mut self, close: Option<char>) -> Option<()> {
        while let Some(c) = self.peek() {
            if Some(c) == close {
                self.at += c.len_utf8();
                return Some(());
            }
            self.token(c)?;
        }
        close.is_none().then_some(())
    }

    fn token(&mut self, c: char) -> Option<()> {
        match c {
            _ if c.is_whitespace() => self.at += c.len_utf8(),
            '"' | '\'' => self.string(c)?,
            '`' => self.template()?,
            _ if c == '_' || c == '$' || c.is_alphabetic() => self.word()?,
            '0'..='9' => self.number(),
            '(' => self.nested(')', Last::Operand)?,
            '[' if self.last == Last::Operator => self.list()?,
            '[' => self.member()?,
            '{' => self.nested('}', Last::CloseBrace)?,
            '/' => self.slash()?,
            '=' => self.equals()?,
            '+' | '-' | '*' | '%' | '&' | '|' | '^' | '<' | '>' | '!' | '?' | ':' | ',' | '.'
            | '~' => self.operator(c)?,
            _ => return None,
        }
        Some(())
    }

    fn nested(&mut self, close: char, after: Last) -> Option<()> {
        self.at += 1;
        self.last = Last::Operator;
        self.run(Some(close))?;
        self.last = after;
        Some(())
    }

    /// `[` where an operand begins: a list, unless a `:` follows (a computed key).
    fn list(&mut self) -> Option<()> {
        self.nested(']', Last::Operand)?;
        (!self.text[self.at..].trim_start().starts_with(':')).then_some(())
    }

    /// `[` after an operand: harmless with one literal in it.
    fn member(&mut self) -> Option<()> {
        self.at += 1;
        let end = self.at + self.text[self.at..].find(']')?;
        let inside = self.text[self.at..end].trim();
        let number = !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit());
        if !number && inside != "$itemIndex" && inside != "$runIndex" {
            let quote = inside.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            self.at += self.text[self.at..].find(quote)?;
            self.string(quote)?;
            if !self.text[self.at..].trim_start().starts_with(']') {
                return None;
            }
        }
        self.at += self.text[self.at..].find(']')? + 1;
        self.last = Last::Operand;
        Some(())
    }

    fn string(&mut self, quote: char) -> Option<()> {
        let inside = &self.text[self.at + 1..];
        let mut escaped = false;
        let end = inside.char_indices().find_map(|(at, c)| match c {
            _ if escaped => {
                escaped = false;
                None
            }
            '\\' => {
                escaped = true;
                None
            }
            c => (c == quote).then_some(at),
        })?;
        let text = &inside[..end];
        if SUSPECT.contains(&text) || (text.contains('\\') && text.contains(['x', 'u'])) {
            return None;
        }
        self.at += end + 2;
        self.last = Last::Operand;
        Some(())
    }

    fn template(&mut self) -> Option<()> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek()? {
                '`' => break,
                '\\' => {
                    self.at += 1;
                    self.at += self.peek()?.len_utf8();
                }
                '$' if self.text[self.at..].starts_with("${") => {
                    self.at += 2;
                    self.last = Last::Operator;
                    self.run(Some('}'))?;
                }
                c => self.at += c.len_utf8(),
            }
        }
        let suspect = SUSPECT.contains(&&self.text[start..self.at]);
        self.at += 1;
        self.last = Last::Operand;
        (!suspect).then_some(())
    }

    fn word(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let name = |c: char| c == '_' || c == '$' || c.is_alphanumeric();
        let end = rest.find(|c| !name(c)).unwrap_or(rest.len());
        self.at += end;
        self.last = Last::Operand;
        (!SUSPECT.contains(&&rest[..end])).then_some(())
    }

    fn number(&mut self) {
        let rest = &self.text[self.at..];
        let part = |c: char| c == '_' || c == '.' || c.is_ascii_alphanumeric();
        self.at += rest.find(|c| !part(c)).unwrap_or(rest.len());
        self.last = Last::Operand;
    }

    fn slash(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        if rest.starts_with("//") || rest.starts_with("/*") {
            return None;
        }
        match self.last {
            Last::CloseBrace => None,
            Last::Operand => {
                self.last = Last::Operator;
                self.at += 1;
                (!rest[1..].starts_with('=')).then_some(())
            }
            Last::Operator => self.regular_expression(),
        }
    }

    fn regular_expression(&mut self) -> Option<()> {
        let mut class = false;
        let mut chars = self.text[self.at + 1..].char_indices();
        let end = loop {
            match chars.next()? {
                (_, '\\') => {
                    chars.next()?;
                }
                (_, '\n' | '\r') => return None,
                (_, '[') => class = true,
                (_, ']') => class = false,
                (at, '/') if !class => break at,
                _ => {}
            }
        };
        self.at += end + 2;
        self.last = Last::Operand;
        Some(())
    }

    /// `==`, `===` and `=>` compare and define; a lone `=` assigns.
    fn equals(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let length = ["===", "==", "=>"].iter().find(|sign| rest.starts_with(**sign))?.len();
        self.at += length;
        self.last = Last::Operator;
        Some(())
    }

    fn operator(&mut self, c: char) -> Option<()> {
        let rest = &self.text[self.at..];
        if ["++", "--", "<<", ">>"].iter().any(|sign| rest.starts_with(sign)) {
            return None;
        }
        let compares = ["!==", "!=", "<=", ">="].iter().find(|sign| rest.starts_with(**sign));
        if let Some(sign) = compares {
            self.at += sign.len();
            self.last = Last::Operator;
            return Some(());
        }
        self.at += 1;
        // After `?.` a bracket selects a member.
        let selects = c == '?' && rest.starts_with("?.[");
        self.last = if selects { Last::Operand } else { Last::Operator };
        if selects {
            self.at += 1;
        }
        let assigns = self.text[self.at..].starts_with('=') && !matches!(c, ':' | ',' | '?' | '.');
        (!assigns).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::Purity;

    #[test]
    fn reading_scripts_share_their_items_and_writing_ones_do_not() {
        for script in [
            "$json.a + 1",
            "$json.list.filter(x => x.mag >= 4 && x.name !== 'a').map(x => ({ n: x.n })).length",
            "`${$json.a}-${$json.b.toUpperCase()}`",
            "$json.text.replace(/\\s+[/]'/g, '_') / 2",
            "$json?.['a b']?.[0] ?? 'none'",
            "$if($json.a > 1, [1, 2], {b: [3]})",
        ] {
            assert_eq!(Purity::of(script), Purity::Reads, "{script}");
        }
        for script in [
            "$json.list.sort()",
            "$json.a = 1",
            "$json.a += 1",
            "$json.a ??= 1",
            "$json.a **= 2",
            "$json.a >>= 2",
            "$json.a <<= 2",
            "$json.a ||= 2",
            "$json.a++",
            "delete $json.a",
            "$json.list['so' + 'rt']()",
            "[1].forEach($json.list['pu\\x73h'], $json.list)",
            "[1].forEach($json.list?.[k], $json.list)",
            "(({['pu' + 'sh']: p}) => p)($json.list)",
            "Array.from.call(function () { return $json.list }, [1])",
            "Object.assign($json, {a: 1})",
            "$json.list.p\\u0075sh(1)",
            "[`push`].map(k => k)",
            "(() => { $json.a = 1 })()",
            "[$json.a] = [1]",
            "1 /* ' */; $json.a",
        ] {
            assert_eq!(Purity::of(script), Purity::MayWrite, "{script}");
        }
    }
}
