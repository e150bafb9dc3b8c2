// Joining: a machine with an invitation becomes a member. It makes its keys and its folder, takes the tokens of the invitation into its
// operator's account, registers its node with them and commits to its reveal chain. Nobody admits it: the chain's rules do.
//
// Invariants: what was done is seen in the state and not done again, so a join that was cut off anywhere is run again; the folder is
// whole before anything is bonded.

import { equal, short } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { NetworkId } from '../base/ids.ts';
import type { OpenChainClient } from '../client/chain/client.ts';
import { fetchFounding } from '../client/chain/founding-document.ts';
import { nativeVerify } from '../runtime/crypto.ts';
import { amountIn, NATIVE } from '../shards/amounts.ts';
import { epochStateOf } from '../shards/epoch-state.ts';
import type { FoundingDocument } from '../shards/founding.ts';
import { proveKey } from '../shards/key-proof.ts';
import type { NodeRecord } from '../shards/node.ts';
import { parametersOf } from '../shards/parameters.ts';
import { contributorOf } from '../shards/turns.ts';
import type { Overlay } from '../shards/view.ts';
import { CONFIG_DEFAULTS, type NodeConfig } from './config.ts';
import { sortDomains } from './candidate.ts';
import { type DataFolder, dataFolder } from './data-folder.ts';
import { exists, finishFolder, type MadeNode, makeFolder } from './folder-setup.ts';
import { readGenesis } from './genesis.ts';
import { type Invitation, parseInvitation } from './invitation.ts';
import { emptyPurse } from './invite.ts';
import type { NodeKeys } from './node-keys.ts';
import { type ActionOptions, feeRoom, meansOf, ownNode, perform } from './operator-actions.ts';

/** From its registration to its membership: the border that freezes the set, and the one that draws its admission seed. */
const EPOCHS_TO_MEMBER = 2;

export type JoinStep = 'folder' | 'tokens' | 'register' | 'beacon' | 'done';

export interface JoinOptions extends ActionOptions {
  /** Data folder to make, or to go on with. */
  readonly folder: string;
  readonly code: string;
  /** What node.yaml will say. */
  readonly config: Partial<NodeConfig>;
  /** The chain of the invitation's network. */
  readonly chain: OpenChainClient;
  /** Told before each step. */
  readonly onStep?: (step: JoinStep) => void;
}

export interface JoinedNode extends MadeNode {
  readonly bonded: bigint;
  /** The epoch that runs now, and from which on it is a member. */
  readonly epoch: number;
  readonly memberFrom: number;
  /** Undefined when what it has bonded is too little to be one. */
  readonly validatorFrom: number | undefined;
}

/**
 * Throws INVALID_ARGUMENT (code or failure domains), UNAUTHORIZED (the invitation was used, or the key is another operator's), ALREADY_EXISTS (the
 * folder is of another network, or its node has left), REFUSED, DISK, and what the chain throws.
 */
export async function joinNetwork(options: JoinOptions): Promise<JoinedNode> {
  const { chain, config, onStep = () => undefined } = options;
  const invitation = parseInvitation(options.code);
  const folder = dataFolder(options.folder);
  sortDomains(Object.entries(config.domains ?? {}));
  onStep('folder');
  await refuseOther(folder, invitation.network);
  const keys = await makeFolder(folder, invitation.network, false);
  const founding = await foundingIn(folder, invitation, options);
  await register(options, invitation, keys);
  await commitBeacon(options, keys);
  onStep('done');
  const { identity, account } = keys;
  const look = (state: Overlay): Omit<JoinedNode, keyof MadeNode> => standingOf(state, keys);
  const { value } = await chain.read(look, signalOf(options));
  return { folder, identity, account, founding, ...value };
}

const signalOf = ({ signal }: ActionOptions): ActionOptions => (signal === undefined ? {} : { signal });

async function refuseOther(folder: DataFolder, network: NetworkId): Promise<void> {
  if (!(await exists(folder.genesisFile))) return;
  const { genesis, record } = (await readGenesis(folder.genesisFile, nativeVerify)).signed;
  if (equal(record.network, network)) return;
  throw new StoreError('ALREADY_EXISTS', `${folder.path} holds a node of network ${genesis.name}`, {
    next: 'Choose another data folder: a node belongs to one network.',
  });
}

/** What the network was founded on, in the folder from now on. */
async function foundingIn(
  folder: DataFolder,
  { network, addresses }: Invitation,
  { chain, config, signal }: JoinOptions,
): Promise<FoundingDocument> {
  if (await exists(folder.genesisFile)) return readGenesis(folder.genesisFile, nativeVerify);
  const founding = await fetchFounding(chain.light.providers, network, nativeVerify, signal);
  const bootstrap = [...new Set([...(config.bootstrap ?? []), ...addresses])];
  await finishFolder(folder, founding, { ...config, bootstrap });
  return founding;
}

// ---- On the chain ------------------------------------------------------------------------------------------------

/** Bonds the tokens of the invitation to the node, unless that was done. */
async function register(options: JoinOptions, invitation: Invitation, keys: NodeKeys): Promise<void> {
  const { chain, config, onStep } = options;
  const { identity, operator, account } = keys;
  const known = await chain.read((state) => nodeIn(state, keys), signalOf(options));
  if (known.value !== undefined) return;
  onStep?.('tokens');
  await emptyPurse(chain, invitation, account, signalOf(options));
  const { parameters, balance } = await meansOf(chain, account, signalOf(options));
  // The registration, and the reveal chain after it.
  const fees = 2n * feeRoom(parameters);
  if (balance < invitation.tokens + fees) {
    throw new StoreError('UNAUTHORIZED', 'the tokens of this invitation were taken by somebody else', {
      next: 'Ask for a new one: an invitation admits one node, and whoever made it may have taken it back.',
    });
  }
  onStep?.('register');
  const data = {
    capacityBytes: config.capacityBytes ?? CONFIG_DEFAULTS.capacityBytes,
    domains: sortDomains(Object.entries(config.domains ?? {})),
    validates: true,
    acceptsDelegation: false,
  };
  const proof = proveKey(chain.network, account, identity.signer);
  const parametersOfAction = { key: identity.nodeId, proof, data, amount: invitation.tokens };
  const action = { kind: 'register-node', parameters: parametersOfAction };
  const node = await perform(
    chain,
    operator.signer,
    action,
    (state) => nodeIn(state, keys),
    signalOf(options),
  );
  if (node !== undefined) return;
  throw new StoreError('REFUSED', 'the chain did not register the node, and gave the tokens back', {
    next: 'Either the network has all the nodes it can have, or this operator is jailed: "store stake" shows it.',
  });
}

/** Throws UNAUTHORIZED (another operator's), ALREADY_EXISTS (it has left). */
function nodeIn(state: Overlay, { identity, account }: NodeKeys): NodeRecord | undefined {
  const node = ownNode(state, identity.nodeId, account);
  if (node?.isRetired !== true) return node;
  throw new StoreError('ALREADY_EXISTS', `node ${short(identity.nodeId)} has left the network, for good`, {
    next: 'Join with an empty data folder: a key that left does not come back.',
  });
}

/** Without a reveal chain the node would be a validator whose turns count as missed. */
async function commitBeacon(options: JoinOptions, keys: NodeKeys): Promise<void> {
  const { chain, onStep } = options;
  const { identity, operator, beacon } = keys;
  const isCommitted = (state: Overlay): boolean => contributorOf(state, identity.nodeId) !== undefined;
  if ((await chain.read(isCommitted, signalOf(options))).value) return;
  onStep?.('beacon');
  const action = { kind: 'commit-beacon', parameters: { node: identity.nodeId, ...beacon.commitment() } };
  if (await perform(chain, operator.signer, action, isCommitted, signalOf(options))) return;
  throw new StoreError('REFUSED', 'the chain did not take the reveal chain of the node', {
    next: 'Run it again: what was done is not done twice.',
  });
}

function standingOf(state: Overlay, keys: NodeKeys): Omit<JoinedNode, keyof MadeNode> {
  const node = nodeIn(state, keys)!;
  const memberFrom = node.registeredEpoch + EPOCHS_TO_MEMBER;
  const bonded = amountIn(node.bonded, NATIVE);
  const isEnough = node.validates && bonded >= parametersOf(state).stake.validatorMin;
  return {
    bonded,
    epoch: epochStateOf(state).epoch,
    memberFrom,
    validatorFrom: isEnough ? memberFrom : undefined,
  };
}
