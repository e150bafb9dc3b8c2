// Making an invitation, and taking one back: the operator of a node fills a purse on the chain, or empties it into its account again.
//
// Invariant: a code is on the disk before its purse gets anything, so that no tokens are lost with a command that was cut off.

import { networkInterfaces } from 'node:os';
import { short, toHex, toUtf8 } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import { INVITATIONS_KEPT_MAX } from '../base/limits.ts';
import type { ChainClient } from '../client/chain/types.ts';
import type { NetworkDescription } from '../client/types.ts';
import { formatEndpoint } from '../runtime/bulk/endpoint.ts';
import { nativeSigner, nativeVerify } from '../runtime/crypto.ts';
import { atomicWrite, readPrivateFile } from '../runtime/files.ts';
import { loadIdentity } from '../runtime/identity.ts';
import { systemRandom } from '../runtime/random.ts';
import { loadConfig, type NodeConfig } from './config.ts';
import { type DataFolder, dataFolder } from './data-folder.ts';
import { DEFAULT_STAKE, readGenesis } from './genesis.ts';
import {
  formatInvitation,
  INVITATION_SECRET_LENGTH,
  type Invitation,
  parseInvitation,
  purseSeed,
} from './invitation.ts';
import { announcedAddresses } from './listen.ts';
import { accountOf } from './node-keys.ts';
import { accountIdOf, feeRoom, meansOf, send } from './operator-actions.ts';

export interface InviteOptions {
  /** Data folder of a node of the operator who invites; the node may be running or not. */
  readonly folder: string;
  readonly chain: ChainClient;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Stake of the new node, in native tokens; DEFAULT_STAKE when absent. */
  readonly tokens?: bigint;
  /** Bulk addresses of this node, where its configuration does not tell them. */
  readonly addresses?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface MadeInvitation {
  readonly code: string;
  readonly tokens: bigint;
  readonly addresses: readonly string[];
  /** What is left of the operator's account. */
  readonly balance: bigint;
}

/**
 * A new invitation code, with the tokens taken from the operator's account. Throws INVALID_ARGUMENT (less than a node must bond), REFUSED (the
 * account has too little), INVALID_CONFIG, and what the chain throws.
 */
export async function makeInvitation(options: InviteOptions): Promise<MadeInvitation> {
  const { chain, tokens = DEFAULT_STAKE } = options;
  const folder = dataFolder(options.folder);
  const { genesis, record } = (await readGenesis(folder.genesisFile, nativeVerify)).signed;
  const operator = await loadIdentity(folder.operatorKey);
  const config = await loadConfig({ ...options, file: folder.configFile });
  const addresses = options.addresses ?? bulkAddresses(config);
  const cost = await costOf(options, tokens, accountOf(operator));
  const secret = systemRandom.bytes(INVITATION_SECRET_LENGTH);
  const invitation = { network: record.network, name: genesis.name, addresses, tokens, secret };
  const code = formatInvitation(invitation);
  await remember(folder, code);
  await send(chain, operator.signer, purseOf(invitation), cost.total, signalOf(options));
  const { balance } = await meansOf(chain, accountOf(operator), signalOf(options));
  return { code, tokens, addresses, balance };
}

const signalOf = ({ signal }: { readonly signal?: AbortSignal }): { readonly signal?: AbortSignal } =>
  signal === undefined ? {} : { signal };

const purseOf = (invitation: Invitation): ReturnType<typeof accountIdOf> =>
  accountIdOf(nativeSigner(purseSeed(invitation)));

/** What the purse gets: the tokens, and the fees of those who join with it. Throws INVALID_ARGUMENT, REFUSED. */
async function costOf(
  options: InviteOptions,
  tokens: bigint,
  account: ReturnType<typeof accountOf>,
): Promise<{ readonly total: bigint }> {
  const { parameters, balance } = await meansOf(options.chain, account, signalOf(options));
  const { nodeMin } = parameters.stake;
  if (tokens < nodeMin) {
    throw new StoreError('INVALID_ARGUMENT', `a node bonds at least ${nodeMin} tokens, not ${tokens}`);
  }
  const fee = feeRoom(parameters);
  const total = tokens + JOIN_TRANSACTIONS * fee;
  if (balance < total + fee) {
    throw new StoreError(
      'REFUSED',
      `account ${short(account)} has ${balance} tokens, and needs ${total + fee}`,
      {
        next: 'Invite with a smaller --stake, or from a node whose operator has tokens: "store stake" shows them.',
      },
    );
  }
  return { total };
}

/** Of whoever joins: out of the purse, registration, reveal chain. */
const JOIN_TRANSACTIONS = 3n;

async function remember({ invitations }: DataFolder, code: string): Promise<void> {
  const before = await readPrivateFile(invitations).catch((error: unknown) => {
    if (error instanceof StoreError && error.code === 'NOT_FOUND') return new Uint8Array(0);
    throw error;
  });
  const lines = new TextDecoder('latin1')
    .decode(before)
    .split('\n')
    .filter((line) => line !== '');
  await atomicWrite(invitations, toUtf8([...lines, code, ''].slice(-INVITATIONS_KEPT_MAX).join('\n')));
}

/** Puts the tokens of a code that nobody used back into the operator's account; gives how many. Throws NOT_FOUND when the purse is empty. */
export async function takeBack(
  options: Pick<InviteOptions, 'folder' | 'chain' | 'signal'>,
  code: string,
): Promise<bigint> {
  const operator = await loadIdentity(dataFolder(options.folder).operatorKey);
  const taken = await emptyPurse(
    options.chain,
    parseInvitation(code),
    accountOf(operator),
    signalOf(options),
  );
  if (taken > 0n) return taken;
  throw new StoreError('NOT_FOUND', 'the invitation has no tokens: it was used, or taken back before');
}

/** Sends all that the purse has to `account`; 0 when it has nothing. */
export async function emptyPurse(
  chain: ChainClient,
  invitation: Invitation,
  account: ReturnType<typeof accountOf>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<bigint> {
  const purse = nativeSigner(purseSeed(invitation));
  const { parameters, balance } = await meansOf(chain, accountIdOf(purse), options);
  const tokens = balance - feeRoom(parameters);
  if (tokens <= 0n) return 0n;
  try {
    await send(chain, purse, account, tokens, options);
    return tokens;
  } catch (error) {
    // Somebody was faster, or this machine itself before it was interrupted.
    const isEmpty =
      error instanceof StoreError && error.code === 'REFUSED' && (await isGone(chain, purse, options));
    if (isEmpty) return 0n;
    throw error;
  }
}

async function isGone(
  chain: ChainClient,
  purse: ReturnType<typeof nativeSigner>,
  options: { readonly signal?: AbortSignal },
): Promise<boolean> {
  const { parameters, balance } = await meansOf(chain, accountIdOf(purse), options);
  return balance <= feeRoom(parameters);
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

/** Where the network of a code is. Throws INVALID_ARGUMENT. */
export function descriptionFromCode(code: string): NetworkDescription {
  const { network, name, addresses } = parseInvitation(code);
  return { network: toHex(network), name, bootstrap: [...addresses] };
}
