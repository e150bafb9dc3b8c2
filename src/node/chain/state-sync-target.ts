// Which state to fetch: that of the newest checkpoint which a node shows and a trusted header proves.
//
// Invariant: what is given back is of the chain that the light client follows. The first header of an epoch names the state before it and
// the block before it, so with that header all else is checked; of the checkpoint's own words nothing is taken that it does not say.

import { equal } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { SYNC_PEERS_MAX } from '../../base/limits.ts';
import { checkLightBlock, type LightRules } from '../../client/chain/light-checks.ts';
import type { LightClient } from '../../client/chain/light-client.ts';
import { judged, Lie, type Providers } from '../../client/chain/providers.ts';
import { validatorSetDigest } from '../../consensus/validator-set.ts';
import { type Block, decodeBlock } from '../../shards/block.ts';
import {
  CHAIN_SERVICES,
  DECISION_LENGTH_MAX,
  decodeDecision,
  encodeHeight,
  encodeNothing,
} from '../../shards/chain-messages.ts';
import { encodeCheckpoint } from '../../shards/checkpoint.ts';
import { shardsRootOf, stateRootOf } from '../../shards/header.ts';
import type { LightBlock } from '../../shards/light-block.ts';
import {
  CHECKPOINT_REPLY_LENGTH_MAX,
  type CheckpointReply,
  decodeCheckpointReply,
} from '../../shards/sync-messages.ts';
import type { ChainRules } from './next-height.ts';
import { targetProblem } from './restore-target.ts';
import { checkpointIn } from './state-borders.ts';
import { nextShardBits } from './state-sync-epoch.ts';
import type { Head, RestoreTarget } from './types.ts';

export interface TargetPorts extends ChainRules {
  readonly light: LightClient;
  readonly providers: Providers;
}

/** The newest that is above `height`; undefined when nobody shows one that holds. Throws ABORTED, TrustLost. */
export async function findTarget(
  ports: TargetPorts,
  height: number,
  signal: AbortSignal,
): Promise<RestoreTarget | undefined> {
  const { providers } = ports;
  const asked = providers.order().slice(0, SYNC_PEERS_MAX);
  const shown = await Promise.all(
    asked.map((node) => attempt(ports, node, () => shownBy(ports, node, signal))),
  );
  const best = shown
    .filter((reply) => reply !== undefined)
    .filter(({ checkpoint }) => checkpoint.height > height)
    .reduce<CheckpointReply | undefined>(higher, undefined);
  return best === undefined ? undefined : targetOf(ports, best, signal);
}

const higher = (best: CheckpointReply | undefined, reply: CheckpointReply): CheckpointReply =>
  best !== undefined && best.checkpoint.height >= reply.checkpoint.height ? best : reply;

/** Undefined when the node fails or lies, which is held against it. */
async function attempt<T>(
  { providers }: TargetPorts,
  node: NodeId,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (!providers.isLie(node, error)) providers.failure(node, error);
    return undefined;
  }
}

// ---- The checkpoint ------------------------------------------------------------------------------------------

async function shownBy(ports: TargetPorts, node: NodeId, signal: AbortSignal): Promise<CheckpointReply> {
  const { providers, sha256 } = ports;
  const bytes = await providers.ask(node, {
    service: CHAIN_SERVICES.checkpoint,
    header: encodeNothing(),
    maxBodyLength: CHECKPOINT_REPLY_LENGTH_MAX,
    signal,
  });
  const reply = judged(() => decodeCheckpointReply(bytes, sha256));
  const problem = checkpointProblem(ports, reply);
  if (problem !== undefined) throw new Lie(`checkpoint ${reply.checkpoint.height}: ${problem}`);
  await followFirst(ports, reply.first, node, signal);
  return reply;
}

/** Why the parts do not fit together; whether `first` is of this chain is for the light client. */
function checkpointProblem(
  ports: TargetPorts,
  { checkpoint, last, first, shards }: CheckpointReply,
): string | undefined {
  const { sha256 } = ports;
  const { header } = first;
  if (last.header.height + 1 !== header.height || !equal(header.parent, last.id))
    return 'its headers do not follow';
  if (last.header.epoch + 1 !== header.epoch) return 'no epoch begins there';
  const said = encodeCheckpoint(checkpointIn(first, checkpoint.nextSetDigest));
  if (!equal(encodeCheckpoint(checkpoint), said)) return 'its header says otherwise';
  if (!equal(shardsRootOf(shards, sha256), header.shardsRoot)) return 'the shards are others';
  if (!equal(stateRootOf(shards, sha256), header.stateRoot)) return 'the state is another';
  return checkLightBlock(formRules(ports), last);
}

/** For checks that ask neither for the time nor for what was trusted before. */
function formRules({ networkId: network, verify, sha256 }: ChainRules): LightRules {
  return { network, verify, sha256, nowMs: 0, trustPeriodMs: 0, clockDriftMs: 0 };
}

/**
 * A block that the operator vouches for is often of the running epoch, whose first header lies further below than a light client goes. The
 * same validators decided both, so their signatures are believed for the one as for the other.
 */
async function followFirst(
  ports: TargetPorts,
  first: LightBlock,
  node: NodeId,
  signal: AbortSignal,
): Promise<void> {
  const { light, sha256 } = ports;
  const { height, validators } = light.newest;
  const isOfSameSet = equal(validatorSetDigest(validators, sha256), first.header.validators);
  if (first.header.height >= height || !isOfSameSet) return light.follow(first, node, signal);
  const problem = checkLightBlock(formRules(ports), first);
  if (problem !== undefined) throw new Lie(`light block ${first.header.height}: ${problem}`);
}

// ---- The block -----------------------------------------------------------------------------------------------

async function targetOf(
  ports: TargetPorts,
  { last, shards }: CheckpointReply,
  signal: AbortSignal,
): Promise<RestoreTarget> {
  const { height, timeMs } = last.header;
  const { value: block } = await ports.providers.first(`block ${height}`, (node) =>
    blockFrom(ports, node, last, signal),
  );
  const shardBits = await nextShardBits(ports, height, shards, signal);
  const head: Head = { height, id: last.id, timeMs, shards, shardBits };
  const target = { network: ports.networkId, head, decided: { block, certificate: last.certificate } };
  const problem = targetProblem(target);
  if (problem === undefined) return target;
  throw new StoreError(
    'INTERNAL',
    `the checkpoint of height ${height} is proven and does not fit together: ${problem}`,
  );
}

async function blockFrom(
  { providers, rules, sha256 }: TargetPorts,
  node: NodeId,
  { header, id }: LightBlock,
  signal: AbortSignal,
): Promise<Block> {
  const bytes = await providers.ask(node, {
    service: CHAIN_SERVICES.block,
    header: encodeHeight(header.height),
    maxBodyLength: DECISION_LENGTH_MAX,
    signal,
  });
  const block = judged(() => decodeBlock(decodeDecision(bytes).block, rules, sha256));
  if (equal(block.id, id)) return block;
  throw new Lie(`another block than ${header.height}`);
}
