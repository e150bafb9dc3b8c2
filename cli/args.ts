// The words a command line is made of: what an option is, and how the text of its value becomes a value. A value
// may come from a flag, from the environment or from the configuration file; `where` names its origin in a refusal.

import { StoreError } from '../src/base/errors.ts';
import { CODE_PIECES_MAX, LABEL_LENGTH_MAX } from '../src/base/limits.ts';

/** Text to value; throws INVALID_ARGUMENT that names `where`. */
export type Parse = (text: string, where: string) => unknown;

export interface OptionSpec {
  /** As in help: `-q, --quiet`, `--nodes <count>`, `--no-wait`. */
  readonly flags: string;
  readonly help: string;
  /** Absent: an option without a value. */
  readonly parse?: Parse;
  readonly isList?: boolean;
  /** Shown in help and used when nothing else says so; in the text form of the option. */
  readonly fallback?: string;
  /** Between our own processes; not shown. */
  readonly isHidden?: boolean;
  readonly choices?: readonly string[];
}

/** `--dry-run <x>` and `-d, --dry-run` as `dry-run`; `--no-wait` as `wait`. */
export function optionName({ flags }: OptionSpec): string {
  return /--(?:no-)?([a-z][a-z-]*)/.exec(flags)![1]!;
}

export function isNegated({ flags }: OptionSpec): boolean {
  return flags.includes('--no-');
}

/** `allow-same-operator` as `allowSameOperator`. */
export function optionKey(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export function refuse(where: string, text: string, wanted: string): StoreError {
  return new StoreError('INVALID_ARGUMENT', `${where}: "${text}" is not ${wanted}`, {
    next: `Give ${wanted}.`,
  });
}

export const parseText: Parse = (text, where) => {
  if (text === '') throw refuse(where, text, 'a text');
  return text;
};

/** A name that goes into records: operators, networks, failure domains. */
export const parseLabel: Parse = (text, where) => {
  if (text.length > LABEL_LENGTH_MAX || !/^[a-z0-9][a-z0-9._-]*$/.test(text)) {
    throw refuse(
      where,
      text,
      `a name of at most ${LABEL_LENGTH_MAX} of a-z, 0-9, dot, underscore and hyphen`,
    );
  }
  return text;
};

export function parseCount(min: number, max: number): Parse {
  return (text, where) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw refuse(where, text, `a whole number from ${min} to ${max}`);
    return value;
  };
}

/** 64 hex digits, in lower case. */
export const parseDigest: Parse = (text, where) => {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw refuse(where, text, 'an id of 64 hex digits');
  return text.toLowerCase();
};

export function parseChoice(choices: readonly string[]): Parse {
  return (text, where) => {
    if (!choices.includes(text)) throw refuse(where, text, `one of ${choices.join(', ')}`);
    return text;
  };
}

const UNIT_POWER = 'kmgtp';

/** `4096`, `16MiB`, `16M` (binary), `16MB` (decimal) in bytes. */
export function parseSize(min: number, max: number): Parse {
  return (text, where) => {
    const match = /^(\d{1,15}(?:\.\d{1,3})?)\s*(?:([kmgtp])(i?b)?|b)?$/i.exec(text.trim());
    if (match === null) throw refuse(where, text, 'a size such as 16MiB');
    const [, digits, unit, suffix] = match;
    const base = suffix?.toLowerCase() === 'b' ? 1000 : 1024;
    const power = unit === undefined ? 0 : UNIT_POWER.indexOf(unit.toLowerCase()) + 1;
    const value = Math.round(Number(digits) * base ** power);
    if (value < min || value > max) throw refuse(where, text, `a size from ${min} to ${max} bytes`);
    return value;
  };
}

/** `4/10` as any 4 of 10 pieces. */
export const parseCode: Parse = (text, where) => {
  const match = /^(\d{1,3})\/(\d{1,3})$/.exec(text);
  const [k, n] = [Number(match?.[1]), Number(match?.[2])];
  if (!(k >= 1 && k <= n && n <= CODE_PIECES_MAX)) {
    throw refuse(where, text, `a code k/n with 1 <= k <= n <= ${CODE_PIECES_MAX}, for example 4/10`);
  }
  return { k, n };
};

/** `OFFSET`, or `OFFSET-END` with both ends included as in HTTP. */
export const parseRange: Parse = (text, where) => {
  const match = /^(\d{1,15})(?:-(\d{1,15})?)?$/.exec(text);
  const offset = Number(match?.[1]);
  const end = match?.[2] === undefined ? undefined : Number(match[2]);
  if (match === null || (end !== undefined && end < offset)) {
    throw refuse(where, text, 'a range OFFSET or OFFSET-END in bytes');
  }
  return end === undefined ? { offset } : { offset, length: end - offset + 1 };
};

/** `rack=r1` as a failure domain. */
export const parseDomain: Parse = (text, where) => {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) throw refuse(where, text, 'label=value, for example rack=r1');
  return [parseLabel(text.slice(0, at), where), parseLabel(text.slice(at + 1), where)];
};

/** A port, or the word off. */
export const parseHttpPort: Parse = (text, where) => {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (text !== 'off' && !(port <= 65_535)) throw refuse(where, text, 'a port from 0 to 65535, or off');
  return text === 'off' ? text : port;
};

/** `host:port`, `:port`, `[::1]:port`. */
export const parseAddress: Parse = (text, where) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9A-Za-z.-]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw refuse(where, text, 'an address HOST:PORT');
  return { host: match[1] ?? match[2] ?? '', port };
};
