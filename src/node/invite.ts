// Making an invitation and using one, with the files and sockets of a real machine. What is said on the wire is in `join.ts`.

import { networkInterfaces } from 'node:os';
import { equal, short, toHex } from '../base/bytes.ts';
import { findMember } from '../base/epoch.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import type { NodeId, OperatorId, Stake } from '../base/ids.ts';
import { EXCHANGE_TIMEOUT_MS, STAKE_MAX_DEFAULT } from '../base/limits.ts';
import type { Clock, Network } from '../base/ports.ts';
import type { NetworkDescription } from '../client/types.ts';
import { formatEndpoint } from '../runtime/bulk/endpoint.ts';
import { systemClock } from '../runtime/clock.ts';
import { nativeVerify } from '../runtime/crypto.ts';
import { type Identity, loadIdentity } from '../runtime/identity.ts';
import { createClientNetwork } from '../runtime/network.ts';
import { systemRandom } from '../runtime/random.ts';
import { type Candidate, checkLabel } from './candidate.ts';
import { loadConfig, type NodeConfig } from './config.ts';
import { dataFolder } from './data-folder.ts';
import { candidateOf, exists, finishFolder, type MadeNode, makeFolder } from './folder-setup.ts';
import { readGenesis, readMembers } from './genesis.ts';
import {
  checkInvitationTime,
  formatInvitation,
  INVITATION_ID_LENGTH,
  INVITATION_LIFETIME_MS,
  type Invitation,
  invitationSecret,
  parseInvitation,
} from './invitation.ts';
import {
  decodeJoinReply,
  encodeJoinRequest,
  JOIN_REPLY_LENGTH_MAX,
  JOIN_SERVICE,
  type JoinReply,
  makeJoinRequest,
} from './join.ts';
import { announcedAddresses } from './listen.ts';
import { accountOf } from './node-keys.ts';
import { readPresharedKey } from './preshared-key.ts';

// ---- At the founder -------------------------------------------------------------------------------------------

export interface InviteOptions {
  /** The founder's data folder; its node may be running or not. */
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly lifetimeMs?: number;
  /** For a further node of this operator; absent: for a new operator. */
  readonly operator?: string;
  readonly stakeMax?: Stake;
  /** Bulk addresses of the founder, where its configuration does not tell them. */
  readonly addresses?: readonly string[];
  readonly clock?: Clock;
}

export interface MadeInvitation {
  readonly code: string;
  readonly expiresAtMs: number;
  readonly addresses: readonly string[];
}

/** A new invitation code. Throws UNAUTHORIZED (this folder has no genesis key), INVALID_ARGUMENT, INVALID_CONFIG. */
export async function makeInvitation(options: InviteOptions): Promise<MadeInvitation> {
  const folder = dataFolder(options.folder);
  const clock = options.clock ?? systemClock;
  const { genesis, record } = (await readGenesis(folder.genesisFile, nativeVerify)).signed;
  const founder = await loadIdentity(folder.identityKey);
  const genesisKey = await loadIdentity(folder.genesisKey).catch((error: unknown) => {
    if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
    throw new StoreError('UNAUTHORIZED', `${folder.path} has no genesis.key: only the founder invites`, {
      next: 'Run "store invite" on the machine where the network was made.',
    });
  });
  const config = await loadConfig({ ...options, file: folder.configFile });
  const addresses = options.addresses ?? bulkAddresses(config);
  const terms = {
    id: systemRandom.bytes(INVITATION_ID_LENGTH),
    expiresAtMs: clock.now() + (options.lifetimeMs ?? INVITATION_LIFETIME_MS),
    operator:
      options.operator === undefined ? undefined : (checkLabel('operator', options.operator) as OperatorId),
    stakeMax: options.stakeMax ?? (STAKE_MAX_DEFAULT as Stake),
  };
  const { network } = record;
  const secret = invitationSecret(genesisKey.secretSeed(), network, terms);
  const { name } = genesis;
  const code = formatInvitation({ network, name, founder: founder.nodeId, addresses, terms, secret });
  return { code, expiresAtMs: terms.expiresAtMs, addresses };
}

/** Where a node with this configuration is reached on the bulk lane, without asking the node. Throws INVALID_CONFIG. */
export function bulkAddresses(config: NodeConfig): readonly string[] {
  const announced = announcedAddresses(config)?.bulk;
  if (announced !== undefined && announced.length > 0) return announced;
  if (config.bulkPort === 0) {
    throw new StoreError('INVALID_CONFIG', 'bulkPort is 0, so nobody can know where this node listens', {
      next: 'Set bulkPort in node.yaml, or name the address with --address.',
    });
  }
  const isAny = config.host === '0.0.0.0' || config.host === '::';
  const hosts = isAny ? machineAddresses() : [config.host];
  return hosts.map((host) => formatEndpoint(host, config.bulkPort));
}

/** Addresses of this machine that others may reach: IPv4 first, loopback only when there is nothing else. */
function machineAddresses(): readonly string[] {
  const found = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = found.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  const sorted = outside.toSorted((a, b) => (a.family < b.family ? -1 : a.family > b.family ? 1 : 0));
  return sorted.length > 0 ? sorted.map(({ address }) => address) : ['127.0.0.1'];
}

// ---- At the joining machine -------------------------------------------------------------------------------------

export interface JoinOptions {
  /** Data folder to make. */
  readonly folder: string;
  readonly code: string;
  /** What node.yaml will say. */
  readonly config: Partial<NodeConfig> & { readonly operator: string };
  readonly stake?: Stake;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

/**
 * Joins the network of an invitation and makes the node's data folder; a folder that joined before is left as it is. Throws
 * INVALID_ARGUMENT (code or names), UNAUTHORIZED (invitation over, used, or for another), UNREACHABLE, WRONG_NETWORK, ALREADY_EXISTS.
 */
export async function joinNetwork(options: JoinOptions): Promise<MadeNode> {
  const folder = dataFolder(options.folder);
  const clock = options.clock ?? systemClock;
  const invitation = parseInvitation(options.code);
  const known = await joinedBefore(options.folder, invitation);
  if (known !== undefined) return known;
  checkInvitationTime(invitation.terms, clock);
  checkLabel('operator', options.config.operator);
  const { identity, account } = await makeFolder(folder, invitation.network, false);
  const candidate = candidateOf(identity, options.config, options.stake);
  const keyFile = options.config.presharedKeyFile ?? '';
  const network = createClientNetwork({
    identity,
    networkId: invitation.network,
    clock,
    ...(keyFile === '' ? {} : { preSharedKey: await readPresharedKey(keyFile) }),
  });
  try {
    const joined = await askToJoin(network, identity, candidate, invitation, options.signal);
    const bootstrap = [...new Set([...(options.config.bootstrap ?? []), ...invitation.addresses])];
    await finishFolder(folder, joined, { ...options.config, bootstrap });
    return { folder, identity, account, ...joined };
  } finally {
    await network.close();
  }
}

/** The node that is in the folder when it belongs to the invitation's network; undefined when there is none. */
async function joinedBefore(path: string, invitation: Invitation): Promise<MadeNode | undefined> {
  const folder = dataFolder(path);
  if (!(await exists(folder.genesisFile))) return undefined;
  const founding = await readGenesis(folder.genesisFile, nativeVerify);
  const { genesis, record } = founding.signed;
  if (equal(record.network, invitation.network)) {
    const later = await readMembers(folder.membersFile, record.network, nativeVerify);
    const identity = await loadIdentity(folder.identityKey);
    const account = accountOf(await loadIdentity(folder.operatorKey));
    return { folder, identity, account, founding, epoch: later ?? founding.signed };
  }
  throw new StoreError('ALREADY_EXISTS', `${folder.path} holds a node of network ${genesis.name}`, {
    next: 'Choose another data folder: a node belongs to one network.',
  });
}

/** Asks the founder, at the first of its addresses that answers, and checks that the record it gives names this node. */
export async function askToJoin(
  network: Network,
  identity: Pick<Identity, 'nodeId' | 'signer'>,
  candidate: Candidate,
  invitation: Invitation,
  signal?: AbortSignal,
): Promise<JoinReply> {
  const founder = await reachFounder(network, invitation, signal);
  const request = makeJoinRequest(invitation.network, candidate, invitation, identity.signer);
  const reply = await network.call(
    founder,
    JOIN_SERVICE,
    { header: encodeJoinRequest(request) },
    {
      maxBodyLength: JOIN_REPLY_LENGTH_MAX,
      timeoutMs: EXCHANGE_TIMEOUT_MS,
      ...(signal === undefined ? {} : { signal }),
    },
  );
  const joined = decodeJoinReply(reply.body, invitation.network, nativeVerify);
  if (findMember(joined.epoch.record, identity.nodeId) === undefined) {
    throw new StoreError('PROTOCOL', `the founder answered with a record that does not name this node`);
  }
  return joined;
}

async function reachFounder(
  network: Network,
  invitation: Invitation,
  signal: AbortSignal | undefined,
): Promise<NodeId> {
  let failure = new StoreError('UNREACHABLE', 'the invitation names no address', {
    next: 'Ask the founder for a new one: "store invite --address /ip4/../tcp/../tls".',
  });
  for (const address of invitation.addresses) {
    try {
      const peer = await network.connect(address, signal);
      if (equal(peer, invitation.founder)) return peer;
      // Never asked to admit: whoever it is must not see the proof.
      failure = new StoreError('UNREACHABLE', `at ${address} there is node ${short(peer)}, not the founder`);
    } catch (error) {
      failure = toStoreError(error, 'UNREACHABLE', `founder at ${address}`);
    }
  }
  throw failure;
}

/** For a client only: where the network is, from the code alone. Throws INVALID_ARGUMENT. */
export function descriptionFromCode(code: string): NetworkDescription {
  const { network, name, addresses } = parseInvitation(code);
  return { network: toHex(network), name, bootstrap: [...addresses] };
}
