// `store put`: a file or standard input, up to the URI or the name and on to full redundancy. What is read is put-source.ts's.

import { parseCode, parseCount, parseSize } from './args.ts';
import type { ClientFlags, CommandSpec, Context } from './command.ts';
import { type ConditionFlags, conditionIn, IF_MATCH, IF_NONE_MATCH, KEY_OPTIONS } from './names.ts';
import type { Code } from '../src/replication/code.ts';
import type { PutOptions, PutResult } from '../src/client/types.ts';
import type { OpenStore } from './open.ts';
import type { PutSource } from './put-source.ts';

interface PutFlags extends ClientFlags, ConditionFlags {
  readonly code?: Code;
  readonly copies?: number;
  readonly public?: boolean;
  readonly segment?: number;
  readonly wait?: boolean;
  readonly allowSameOperator?: boolean;
  readonly createBucket?: boolean;
}

const MIB = 1024 * 1024;

export const put: CommandSpec = {
  name: 'put',
  summary: 'store a file, or standard input; prints its URI or name',
  operands: '<file> [name]',
  completes: 'files',
  options: [
    {
      flags: '--code <k/n>',
      help: 'make n pieces of which any k rebuild (default: by operators)',
      parse: parseCode,
    },
    { flags: '--copies <count>', help: 'whole copies instead of pieces', parse: parseCount(1, 255) },
    { flags: '--public', help: 'store in the clear, readable by whoever has the CID' },
    {
      flags: '--segment <size>',
      help: 'segment size, 1MiB to 64MiB (default: 16MiB)',
      parse: parseSize(MIB, 64 * MIB),
    },
    { flags: '--wait', help: 'succeed only when every piece is stored' },
    { flags: '--no-wait', help: 'end as soon as enough pieces are stored durably' },
    {
      flags: '--allow-same-operator',
      help: 'one-machine trial: several pieces of a segment to one operator',
    },
    IF_MATCH,
    IF_NONE_MATCH,
    { flags: '--create-bucket', help: "make the name's bucket if it is not there" },
    ...KEY_OPTIONS,
  ],
  details: `The URI is printed as soon as enough holders have confirmed. The command then
goes on until the chain has the object, so that the network looks after it, and
unless --no-wait is given until the other pieces are stored too, or Ctrl-C. When
the chain cannot be reached it says so, and the next command goes on with it.
The URI holds the key: whoever has it can read the object. An
interrupted put of a file goes on where it stopped when it is run again.

With a name the object can be had by it, by whoever has the key; the bucket
says how it is kept. A name that ends in "/" takes the name of the file.

Examples:
  store put photo.jpg
  store put photo.jpg store://photos/2024/
  tar -c folder | store put - store://backups/today --if-none-match '*'`,
  async run(context, [path, name], flags) {
    const { openSource } = await import('./put-source.ts');
    const { withStore } = await import('./open.ts');
    const { code, copies } = flags as PutFlags;
    const target = await targetOf(path!, name, flags as PutFlags);
    if (code !== undefined && copies !== undefined) {
      const { StoreError } = await import('../src/base/errors.ts');
      throw new StoreError('INVALID_ARGUMENT', '--code and --copies exclude one another', {
        next: 'Give one of them.',
      });
    }
    const source = await openSource(path!);
    try {
      return await withStore(context, flags as PutFlags, (open) =>
        upload(context, open, source, flags as PutFlags, target),
      );
    } finally {
      await source.close();
    }
  },
};

/** Where it goes, checked before the file is opened. Throws INVALID_ARGUMENT, INVALID_URI. */
async function targetOf(
  path: string,
  name: string | undefined,
  flags: PutFlags,
): Promise<Pick<PutOptions, 'name' | 'condition'>> {
  const { StoreError } = await import('../src/base/errors.ts');
  const { isRemote, nameFor } = await import('./names.ts');
  if (isRemote(path)) {
    throw new StoreError('INVALID_ARGUMENT', `${path} is no local file`, {
      next: 'Give the file first and then the name: store put FILE store://bucket/key.',
    });
  }
  const condition = conditionIn(flags);
  if (name !== undefined) {
    const uri = await nameFor(name, path);
    return { name: uri, ...(condition === undefined ? {} : { condition }) };
  }
  if (condition === undefined && flags.createBucket !== true) return {};
  throw new StoreError('INVALID_ARGUMENT', 'conditions and buckets are about a name, and none is given', {
    next: 'Name the object: store put FILE store://bucket/key.',
  });
}

/** Throws what making a bucket throws, unless it is there. */
export async function makeBucket({ output }: Context, open: OpenStore, name: string): Promise<void> {
  const { parseNameUri } = await import('../src/client/names/path.ts');
  const { StoreError } = await import('../src/base/errors.ts');
  const { bucket } = parseNameUri(name);
  try {
    await open.store.buckets.stat(bucket, open.events);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
    await open.store.buckets.create(bucket, open.events);
    output.note(`created bucket ${bucket}`);
  }
}

async function upload(
  context: Context,
  open: OpenStore,
  source: PutSource,
  flags: PutFlags,
  target: Pick<PutOptions, 'name' | 'condition'>,
): Promise<number> {
  const { output, signal } = context;
  const { wait } = flags;
  if (target.name !== undefined && flags.createBucket === true) await makeBucket(context, open, target.name);
  const startedAt = performance.now();
  const result = await open.store.put(source.bytes, {
    ...open.events,
    ...putOptions(source, flags),
    ...target,
  });
  open.clearProgress();
  if (!output.isJson) output.result(result.name?.uri ?? result.uri, {});
  if (result.name !== undefined) output.note(`etag ${result.name.etag}`);
  output.note(await summary(result, performance.now() - startedAt));
  if (await source.hasChanged()) output.warn(`${source.name} changed while it was read`);

  const outcome = wait === false ? undefined : await completed(context, result);
  const isRegistered = await registered(context, result);
  const { settleWrite } = await import('./names.ts');
  const name = result.name === undefined ? undefined : await settleWrite(context, result.name);
  const confirmed = outcome?.confirmedPieces ?? result.confirmedPieces;
  const missing = outcome?.missingPieces ?? result.totalPieces - result.confirmedPieces;
  if (outcome !== undefined && missing > 0) {
    output.warn(`stored, but ${missing} of ${result.totalPieces} pieces could not be placed yet`);
  }
  if (output.isJson) {
    output.result(undefined, {
      uri: result.uri,
      cid: result.cid,
      size: result.sizeBytes,
      code: result.code,
      segments: result.segments,
      confirmedPieces: confirmed,
      missingPieces: missing,
      totalPieces: result.totalPieces,
      resumedSegments: result.resumedSegments,
      registered: isRegistered,
      ...(name === undefined ? {} : { name }),
      notices: open.notices,
    });
  }
  const { EXIT } = await import('./errors.ts');
  if (wait === true && signal.aborted && outcome === undefined) return EXIT.INTERRUPTED;
  return wait === true && missing > 0 ? EXIT.PARTIAL : EXIT.OK;
}

function putOptions(source: PutSource, flags: PutFlags): PutOptions {
  return {
    ...(flags.code === undefined ? {} : { code: flags.code }),
    ...(flags.copies === undefined ? {} : { copies: flags.copies }),
    ...(flags.segment === undefined ? {} : { segmentBytes: flags.segment }),
    ...(source.lengthBytes === undefined ? {} : { lengthBytes: source.lengthBytes }),
    ...(source.resumeKey === undefined ? {} : { resumeKey: source.resumeKey }),
    ...(flags.public === undefined ? {} : { isPublic: flags.public }),
    allowSameOperator: flags.allowSameOperator === true,
  };
}

/** The object is stored; what is left may be cut short by Ctrl-C, which is then no failure. */
async function completed(
  context: Context,
  result: PutResult,
): Promise<Awaited<PutResult['complete']> | undefined> {
  const { signal, output } = context;
  if (signal.aborted) return undefined;
  const interrupted = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  const outcome = await Promise.race([result.complete, interrupted]);
  if (outcome === undefined)
    output.warn('stopped before every piece was stored; the object itself is stored');
  return outcome;
}

/** Whether the chain has it. Ctrl-C leaves that to the next command. */
async function registered({ signal, output }: Context, result: PutResult): Promise<boolean> {
  const interrupted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  const isRegistered = await Promise.race([result.registered, interrupted]);
  if (isRegistered === undefined)
    output.warn('stopped before the chain had the object; the next command goes on with that');
  return isRegistered === true;
}

async function summary(result: PutResult, durationMs: number): Promise<string> {
  const { formatBytes, formatDuration, formatRate, plural } = await import('./format.ts');
  const { k, n } = result.code;
  const rate = formatRate((result.sizeBytes / Math.max(1, durationMs)) * 1000);
  const inWhat = result.segments === 0 ? 'inside its manifest' : plural(result.segments, 'segment');
  const resumed = result.resumedSegments > 0 ? `, ${result.resumedSegments} of them resumed` : '';
  return (
    `stored ${formatBytes(result.sizeBytes)} in ${formatDuration(durationMs)} (${rate}): ` +
    `${inWhat}${resumed}, any ${k} of ${n} pieces rebuild, ` +
    `${result.confirmedPieces} of ${result.totalPieces} confirmed`
  );
}
