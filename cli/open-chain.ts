// Opens the chain as a light client for one command. What its reads give is proven by headers that a quorum of known validators signed, and
// every command says which header that was.

import { StoreError } from '../src/base/errors.ts';
import type { OpenChainClient } from '../src/client/chain/client.ts';
import type { Moment } from '../src/client/chain/types.ts';
import type { ClientFlags, Context } from './command.ts';

/** Runs `use` with the chain of the home's network. Throws what opening or `use` throws. */
export async function withChain<T>(
  context: Context,
  flags: ClientFlags,
  use: (chain: OpenChainClient, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { withStore } = await import('./open.ts');
  const { signal } = context;
  return withStore(context, flags, async ({ store }) => {
    const chain = await store.chain({ signal });
    await checkTrust(chain, flags, signal);
    return use(chain, signal);
  });
}

/**
 * A home that trusts a later block already goes on from there, and would never look at the one that the user names. Throws INTEGRITY when the
 * chain it follows has another one at that height.
 */
async function checkTrust(chain: OpenChainClient, flags: ClientFlags, signal: AbortSignal): Promise<void> {
  const { trustHeight, trustHash } = flags;
  if (trustHeight === undefined || trustHash === undefined) return;
  await chain.light.start(signal).catch((error: unknown) => {
    if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
    throw new StoreError('NOT_FOUND', `no node shows block ${trustHeight}, which --trust-height names`, {
      next: 'Ask for height and id of a recent block: the chain may not have got there, or nodes may have pruned it.',
      cause: error,
    });
  });
  const { toHex } = await import('../src/base/bytes.ts');
  const { lightAt } = await import('./block-read.ts');
  const { id } = await lightAt(chain, trustHeight, signal);
  if (toHex(id) === trustHash) return;
  throw new StoreError(
    'INTEGRITY',
    `block ${trustHeight} of the chain that this home follows is ${toHex(id)}`,
    {
      next: 'Ask whoever named the other one again; if they are sure, there are two histories, and an operator has to say which is theirs.',
    },
  );
}

/** Which state an answer is of, and the header that proves it: members of every --json object. */
export function proofJson({ height, timeMs }: Moment): Readonly<Record<string, unknown>> {
  return { height, provenBy: { height: height + 1, time: timeText(timeMs) } };
}

/** The same for people. */
export function proofLine({ height, timeMs }: Moment): string {
  return `state after height ${height}, proven by header ${height + 1} of ${timeText(timeMs)}`;
}

export const timeText = (timeMs: number): string => new Date(timeMs).toISOString();
