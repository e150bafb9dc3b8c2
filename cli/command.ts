// What a command is, and the options that many commands share. A command's file stays light: whatever is heavy is
// imported inside `run`, so that `store --help` answers at once.

import { HEIGHT_MAX } from '../src/base/limits.ts';
import { type OptionSpec, parseChoice, parseCount, parseDigest, parseSize, parseText } from './args.ts';
import type { Output } from './output.ts';
import type { Flags } from './settings.ts';

export interface Context {
  readonly output: Output;
  /** Folder of configuration, keys and resume state. */
  readonly home: string;
  /** Fires at the first Ctrl-C or SIGTERM: stop cleanly. */
  readonly signal: AbortSignal;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** As in help: `<uri> [file]`. */
  readonly operands: string;
  readonly options: readonly OptionSpec[];
  /** Examples and notes under the options. */
  readonly details?: string;
  /** What the shell offers for the operands. */
  readonly completes?: 'files' | readonly string[];
  /** Resolves to the exit code; nothing is 0. Throws StoreError. */
  run(context: Context, operands: readonly string[], flags: Flags): Promise<number | undefined>;
}

export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { flags: '--json', help: 'print exactly one JSON object on standard output' },
  { flags: '-q, --quiet', help: 'say nothing but results, warnings and errors' },
  { flags: '--no-progress', help: 'draw no progress line' },
  {
    flags: '--home <folder>',
    help: 'configuration, keys and resume state (default: ~/.holdfast)',
    parse: parseText,
  },
];

/** Of commands that open the store as a client. */
export const CLIENT_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--lane <lane>',
    help: 'how bytes travel: bulk (TLS 1.3) or control (libp2p Noise)',
    parse: parseChoice(['bulk', 'control']),
    choices: ['bulk', 'control'],
  },
  {
    flags: '--memory <size>',
    help: 'most memory for segments in flight',
    parse: parseSize(16 * 1024 * 1024, 64 * 1024 ** 3),
  },
  {
    flags: '--trust-height <height>',
    help: 'begin to trust the chain at this block, whose id --trust-hash says',
    parse: parseCount(1, HEIGHT_MAX),
  },
  {
    flags: '--trust-hash <hex>',
    help: 'id of that block, from somebody you trust ("store epoch" prints both)',
    parse: parseDigest,
  },
];

export interface ClientFlags {
  readonly lane?: 'bulk' | 'control';
  readonly memory?: number;
  /** Of commands that sign. */
  readonly key?: string;
  readonly trustHeight?: number;
  /** 64 hex digits. */
  readonly trustHash?: string;
}
