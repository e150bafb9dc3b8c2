// `store get`: an object into a file or to standard output. Arguments and the output are checked before the network is
// touched; where and how bytes are written is get-target.ts's.

import type { GetOptions } from '../src/client/types.ts';
import { parseCount, parseRange } from './args.ts';
import type { ClientFlags, CommandSpec, Context } from './command.ts';
import type { CheckedTarget } from './get-target.ts';
import { KEY_OPTIONS } from './names.ts';

interface GetFlags extends ClientFlags {
  readonly force?: boolean;
  readonly range?: { readonly offset: number; readonly length?: number };
  readonly offset?: number;
  readonly length?: number;
}

const BYTES = parseCount(0, Number.MAX_SAFE_INTEGER);

export const get: CommandSpec = {
  name: 'get',
  summary: 'fetch an object into a file, or to standard output',
  operands: '<uri> [file]',
  completes: 'files',
  options: [
    { flags: '-f, --force', help: 'replace the file if it exists' },
    {
      flags: '--range <range>',
      help: 'only these bytes: OFFSET or OFFSET-END, END included',
      parse: parseRange,
    },
    { flags: '--offset <bytes>', help: 'only from here on', parse: BYTES },
    { flags: '--length <bytes>', help: 'only so many bytes', parse: BYTES },
    ...KEY_OPTIONS,
  ],
  details: `Every byte is verified before it is written. A file appears under its name only
when it is whole.

Examples:
  store get 'store://bafy...#1a2b3c4d.Zm9v...' photo.jpg
  store get store://photos/2024/cat.jpg cat.jpg
  store get "$uri" | tar -x`,
  async run(context, [uri, path], flags) {
    const { checkTarget } = await import('./get-target.ts');
    const { checkUri, isRemote } = await import('./names.ts');
    const { force } = flags as GetFlags;
    const range = rangeOf(flags as GetFlags);
    if (context.output.isJson && (path === undefined || path === '-')) {
      const { StoreError } = await import('../src/base/errors.ts');
      throw new StoreError('INVALID_ARGUMENT', 'with --json the object cannot go to standard output', {
        next: 'Name a file.',
      });
    }
    await checkUri(uri!);
    if (path !== undefined && isRemote(path)) {
      const { StoreError } = await import('../src/base/errors.ts');
      throw new StoreError('INVALID_ARGUMENT', `${path} is no local file`, {
        next: 'Give a file to write to; "store cp" copies one name to another.',
      });
    }
    const target = await checkTarget(path, force === true);
    await download(context, uri!, target, range, flags as GetFlags);
    return undefined;
  },
};

function rangeOf({ range, offset, length }: GetFlags): GetOptions['range'] {
  if (range !== undefined) return range;
  if (offset === undefined && length === undefined) return undefined;
  return { offset: offset ?? 0, ...(length === undefined ? {} : { length }) };
}

async function download(
  context: Context,
  uri: string,
  checked: CheckedTarget,
  range: GetOptions['range'],
  flags: GetFlags,
): Promise<void> {
  const { withStore } = await import('./open.ts');
  const { formatBytes, formatDuration, formatRate } = await import('./format.ts');
  await withStore(context, flags, async ({ store, events, notices, clearProgress }) => {
    const startedAt = performance.now();
    // Both targets have written a chunk before they take the next.
    const result = await store.get(uri, {
      ...events,
      reuseChunks: true,
      ...(range === undefined ? {} : { range }),
    });
    const target = await checked.open();
    try {
      for await (const bytes of result) await target.write(bytes);
      await target.finish();
    } finally {
      await target.discard();
    }
    clearProgress();
    const durationMs = performance.now() - startedAt;
    const rate = formatRate((result.lengthBytes / Math.max(1, durationMs)) * 1000);
    const took = `${formatBytes(result.lengthBytes)} in ${formatDuration(durationMs)} (${rate})`;
    context.output.note(`got ${took}, every byte verified: ${target.name}`);
    if (!context.output.isJson) return;
    context.output.result(undefined, {
      uri,
      file: target.name,
      size: result.sizeBytes,
      length: result.lengthBytes,
      durationMs: Math.round(durationMs),
      notices,
    });
  });
}
