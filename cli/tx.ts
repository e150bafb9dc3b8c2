// `store tx`: one transaction, where it stands and what came of it; and the way in for one that was signed elsewhere.

import { StoreError } from '../src/base/errors.ts';
import { TRANSACTION_LENGTH_MAX } from '../src/base/limits.ts';
import type { Digest } from '../src/base/ids.ts';
import { parseCount, parseDigest } from './args.ts';
import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec, type Context } from './command.ts';
import type { Place } from './tx-read.ts';

const WAIT_SECONDS_MAX = 3600;

interface TxFlags extends ClientFlags {
  readonly wait?: number;
}

export const tx: CommandSpec = {
  name: 'tx',
  summary: 'show a transaction, or hand in one that was signed elsewhere',
  operands: '<id> [file]',
  options: [
    {
      flags: '--wait <seconds>',
      help: 'wait so long for it to be included (default: 0)',
      parse: parseCount(0, WAIT_SECONDS_MAX),
    },
    ...CLIENT_OPTIONS,
  ],
  details: `store tx ID            where it was included, what it asked for, what came of it
store tx send FILE|-   hand in a signed transaction, as bytes or hex digits, and
                       wait until it is final

That it is in its block, and what it asks for, is proven. What came of it is what
most of the nodes asked say: no header binds that. What it sent to another shard
is executed there a little later; the state tells ("store stake show").`,
  async run(context, [id, file], flags) {
    if (id === 'send') return send(context, file, flags as TxFlags);
    if (file !== undefined) {
      throw new StoreError('INVALID_ARGUMENT', 'too many arguments for "tx"', {
        next: 'store tx ID, or store tx send FILE',
      });
    }
    const { fromHex } = await import('../src/base/bytes.ts');
    return show(context, fromHex(parseDigest(id!, 'id') as string) as Digest, flags as TxFlags);
  },
};

async function show(context: Context, id: Digest, flags: TxFlags): Promise<undefined> {
  const { withChain } = await import('./open-chain.ts');
  const place = await withChain(context, flags, async (chain, signal) => {
    const { placeOf } = await import('./tx-read.ts');
    return placeOf(chain, id, 1000 * (flags.wait ?? 0), signal).catch((error: unknown) =>
      Promise.reject(notThere(id, flags.wait, error)),
    );
  });
  await tell(context, place);
  return undefined;
}

function notThere(id: Digest, wait: number | undefined, error: unknown): unknown {
  if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') return error;
  const name = Buffer.from(id).toString('hex');
  return new StoreError('NOT_FOUND', `no node shows the transaction ${name} in a block`, {
    next:
      wait === undefined
        ? 'It may still wait for a block: give --wait SECONDS. Else it was never handed in, or is older than what nodes keep.'
        : 'It was never handed in, has expired, or is older than what nodes keep.',
    cause: error,
  });
}

async function send(context: Context, file: string | undefined, flags: TxFlags): Promise<undefined> {
  if (file === undefined) {
    throw new StoreError('INVALID_ARGUMENT', 'tx send needs a file', {
      next: 'store tx send FILE, or - for standard input',
    });
  }
  const { decodeTransaction } = await import('../src/shards/transaction.ts');
  const { LEDGER_RULES } = await import('../src/shards/ledger.ts');
  const { nativeSha256 } = await import('../src/runtime/crypto.ts');
  const signed = decodeTransaction(await bytesIn(file), LEDGER_RULES.operations, nativeSha256);
  const { withChain } = await import('./open-chain.ts');
  const place = await withChain(context, flags, async (chain, signal) => {
    const { verifyTransaction } = await import('../src/shards/transaction.ts');
    const { nativeVerify } = await import('../src/runtime/crypto.ts');
    verifyTransaction(signed, chain.network, LEDGER_RULES.operations, nativeVerify);
    context.output.live('waiting until it is final ...');
    await chain.submit(signed, { signal });
    const { placeOf } = await import('./tx-read.ts');
    return placeOf(chain, signed.id, 0, signal);
  });
  await tell(context, place);
  if (place.refusal !== undefined) {
    const { refusalError } = await import('./tx-refusals.ts');
    throw refusalError('the transaction is in the chain, and was refused', place.refusal);
  }
  return undefined;
}

/** A transaction as bytes, or as their hex digits. Throws NOT_FOUND, DISK, INVALID_ENCODING. */
async function bytesIn(file: string): Promise<Uint8Array> {
  const { fromHex } = await import('../src/base/bytes.ts');
  const bytes = await readBounded(file);
  const text = bytes.toString('latin1').trim();
  return /^([0-9a-f]{2})+$/i.test(text) ? fromHex(text.toLowerCase()) : bytes;
}

async function readBounded(file: string): Promise<Buffer> {
  const { createReadStream } = await import('node:fs');
  const lengthMax = 2 * TRANSACTION_LENGTH_MAX + 16;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of file === '-' ? process.stdin : createReadStream(file)) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length > lengthMax) break;
    }
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new StoreError(
      isMissing ? 'NOT_FOUND' : 'DISK',
      `cannot read ${file}${isMissing ? ': there is no such file' : ''}`,
      {
        cause: error,
      },
    );
  }
  if (length <= lengthMax) return Buffer.concat(chunks);
  throw new StoreError('INVALID_ENCODING', `${file} is longer than any transaction`);
}

async function tell({ output }: Context, place: Place): Promise<void> {
  const { headerJson, transactionJson } = await import('../src/node/chain/http/json.ts');
  const { light, index, count, signed, refusal, agreeing, answering } = place;
  output.result(await describePlace(place), {
    status: 'included',
    height: light.header.height,
    index,
    count,
    refusal: refusal ?? null,
    /** Nodes that say so of the refusal, which is not proven. */
    outcomeSaidBy: agreeing,
    nodesAsked: answering,
    transaction: transactionJson(signed),
    header: headerJson(light.header, light.id),
  });
}

async function describePlace({
  light,
  index,
  count,
  signed,
  refusal,
  agreeing,
  answering,
}: Place): Promise<string> {
  const { fields } = await import('./format.ts');
  const { timeText } = await import('./open-chain.ts');
  const { toJson } = await import('../src/node/chain/http/json.ts');
  const { refusalText } = await import('./tx-refusals.ts');
  const { toHex } = await import('../src/base/bytes.ts');
  const { action, sender, nonce, fee, expiresAtHeight } = signed.transaction;
  const came = refusal === undefined ? 'done' : `refused: ${refusalText(refusal)} (${refusal})`;
  return fields([
    ['transaction', toHex(signed.id)],
    ['block', `${light.header.height} of ${timeText(light.header.timeMs)}, number ${index + 1} of ${count}`],
    ['sender', `${toHex(sender)}, nonce ${nonce}`],
    ['asks for', `${action.kind} ${JSON.stringify(toJson(action.parameters))}`],
    ['fee', `${fee}, valid up to height ${expiresAtHeight}`],
    ['outcome', `${came}; so say ${agreeing} of ${answering} nodes`],
    ['proof', `place and content are proven by header ${light.header.height}, ${toHex(light.id)}`],
  ]);
}
