// `store epoch`: the epoch that runs, how far it is, and the block of it that people compare to know that they follow the same chain.

import { StoreError } from '../src/base/errors.ts';
import type { OpenChainClient } from '../src/client/chain/client.ts';
import type { Answer } from '../src/client/chain/types.ts';
import type { EpochState } from '../src/shards/epoch-state.ts';
import type { LightBlock } from '../src/shards/light-block.ts';
import type { ValidatorSet } from '../src/consensus/types.ts';
import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec } from './command.ts';

export const epoch: CommandSpec = {
  name: 'epoch',
  summary: 'show the running epoch, and the checkpoint that people compare',
  operands: '',
  options: [...CLIENT_OPTIONS],
  details: `The pair under "trust" names a block of the chain. Compare it with somebody who
follows the same network: the same pair is the same history. Whoever comes new,
or comes back after long, begins there with --trust-height and --trust-hash.
It is the epoch's first block where that can still be verified, else the newest
one. "checkpoint" is the digest of what that first block fixes.`,
  async run(context, _, flags) {
    const { withChain, proofJson, timeText } = await import('./open-chain.ts');
    const view = await withChain(context, flags as ClientFlags, readEpoch);
    const { epochJson } = await import('../src/node/chain/http/json.ts');
    const { toHex } = await import('../src/base/bytes.ts');
    const { answer, trust, checkpoint } = view;
    context.output.result(await describeEpoch(view), {
      ...proofJson(answer),
      ...epochJson(answer.value.state),
      startedAt: timeText(answer.value.state.starts.at(-1)!.timeMs),
      progress: progressOf(view),
      validators: answer.value.validators.validators.length,
      shards: 2 ** answer.value.state.shardBits,
      checkpoint: checkpoint === undefined ? null : toHex(checkpoint),
      trust: { height: trust.header.height, hash: toHex(trust.id), time: timeText(trust.header.timeMs) },
    });
    return undefined;
  },
};

interface EpochRead {
  readonly state: EpochState;
  readonly validators: ValidatorSet;
  readonly next: ValidatorSet;
}

interface EpochView {
  readonly answer: Answer<EpochRead>;
  readonly firstHeight: number;
  readonly lastHeight: number;
  /** The epoch's first block where it can be verified, else the newest. */
  readonly trust: LightBlock;
  /** Undefined where the first block cannot be verified any more. */
  readonly checkpoint: Uint8Array | undefined;
}

async function readEpoch(chain: OpenChainClient, signal: AbortSignal): Promise<EpochView> {
  const { epochStateOf, firstHeightOf, lastHeightOf } = await import('../src/shards/epoch-state.ts');
  const { asValidatorSet, settledEntries } = await import('../src/shards/validator-sets.ts');
  const answer = await chain.read(
    (state): EpochRead => {
      const epochState = epochStateOf(state);
      return {
        state: epochState,
        validators: asValidatorSet(settledEntries(state, epochState.epoch)),
        next: asValidatorSet(settledEntries(state, epochState.epoch + 1)),
      };
    },
    { signal },
  );
  const { state, next } = answer.value;
  const firstHeight = firstHeightOf(state);
  const first = await firstBlock(chain, firstHeight, signal);
  return {
    answer,
    firstHeight,
    lastHeight: lastHeightOf(state),
    trust: first ?? (await chain.light.at(answer.height + 1, signal)),
    checkpoint: first === undefined ? undefined : await checkpointOf(chain, first, next),
  };
}

/** Undefined when what this client may begin with is too old, or nodes no longer have the header. */
async function firstBlock(
  chain: OpenChainClient,
  height: number,
  signal: AbortSignal,
): Promise<LightBlock | undefined> {
  const { lightAt } = await import('./block-read.ts');
  try {
    return await lightAt(chain, height, signal);
  } catch (error) {
    const isLost =
      error instanceof StoreError && (error.code === 'NOT_FOUND' || error.code === 'INVALID_CONFIG');
    if (isLost) return undefined;
    throw error;
  }
}

async function checkpointOf(
  chain: OpenChainClient,
  { header }: LightBlock,
  next: ValidatorSet,
): Promise<Uint8Array> {
  const { checkpointDigest } = await import('../src/shards/checkpoint.ts');
  const { validatorSetDigest } = await import('../src/consensus/validator-set.ts');
  const { nativeSha256 } = await import('../src/runtime/crypto.ts');
  return checkpointDigest(
    {
      network: chain.network,
      epoch: header.epoch,
      height: header.height - 1,
      blockId: header.parent,
      stateRoot: header.stateRoot,
      setDigest: header.validators,
      nextSetDigest: validatorSetDigest(next, nativeSha256),
    },
    nativeSha256,
  );
}

/** Blocks of the epoch that are done, of all that it has. */
function progressOf({ answer, firstHeight }: EpochView): { done: number; of: number } {
  return { done: answer.height - firstHeight + 1, of: answer.value.state.lengthBlocks };
}

async function describeEpoch(view: EpochView): Promise<string> {
  const { fields, plural } = await import('./format.ts');
  const { proofLine, timeText } = await import('./open-chain.ts');
  const { toHex } = await import('../src/base/bytes.ts');
  const { answer, trust, checkpoint, firstHeight, lastHeight } = view;
  const { state, validators } = answer.value;
  const { done, of } = progressOf(view);
  const lines = fields([
    ['epoch', String(state.epoch)],
    ['blocks', `${firstHeight} to ${lastHeight}, ${done} of ${of} done (${Math.floor((100 * done) / of)} %)`],
    ['since', timeText(state.starts.at(-1)!.timeMs)],
    ['mode', state.mode],
    ['seed', toHex(state.seed)],
    ['members', `${plural(state.memberCount, 'node')}, ${plural(validators.validators.length, 'validator')}`],
    ['shards', String(2 ** state.shardBits)],
    [
      'checkpoint',
      checkpoint === undefined ? 'the first block can no longer be verified from here' : toHex(checkpoint),
    ],
    ['trust', `--trust-height ${trust.header.height} --trust-hash ${toHex(trust.id)}`],
  ]);
  return `${lines}\n\n${proofLine(answer)}`;
}
