// The network as this client sees it: members of the newest epoch record and, with a probe, what each says of itself.

import { toHex } from '../base/bytes.ts';
import type { EpochRecord, Member } from '../base/epoch.ts';
import { toStoreError } from '../base/errors.ts';
import { askStatus } from './calls.ts';
import type { Context } from './context.ts';
import type { Contacts } from './contacts.ts';
import { forEachAtMost, throwIfAborted } from './tasks.ts';
import type { MemberView, NetworkView } from './types.ts';

const PROBED_AT_ONCE = 16;

export async function viewNetwork(
  context: Context,
  contacts: Contacts,
  epoch: EpochRecord,
  { network, name }: Pick<NetworkView, 'network' | 'name'>,
  options: { readonly probe?: boolean },
  signal: AbortSignal,
): Promise<NetworkView> {
  const members: MemberView[] = [];
  await forEachAtMost(epoch.members, PROBED_AT_ONCE, async (member, index) => {
    const plain = viewOf(member, contacts);
    members[index] = options.probe === true ? await probed(context, member, plain, signal) : plain;
  });
  return {
    network,
    name,
    epoch: epoch.epoch,
    isTrial: epoch.params.isTrial,
    shardBits: epoch.params.shardBits,
    operators: new Set(epoch.members.map((member) => member.operator)).size,
    members,
  };
}

/** Without a probe a member counts as reachable when its address is known. */
function viewOf(member: Member, contacts: Contacts): MemberView {
  const known = contacts.addressesOf(member.node);
  const addresses = known === undefined ? [] : [...known.bulk, ...known.control];
  return {
    node: toHex(member.node),
    operator: member.operator,
    stake: member.stake,
    capacityBytes: member.capacityBytes,
    domains: Object.fromEntries(member.domains),
    isReachable: addresses.length > 0,
    addresses,
  };
}

async function probed(
  context: Context,
  member: Member,
  view: MemberView,
  signal: AbortSignal,
): Promise<MemberView> {
  try {
    const status = await askStatus(context, member.node, signal);
    const { agent, logState, entries, liveBytes, quotaBytes, damagedEntries, uptimeMs } = status;
    const peers = status.peers.map(toHex);
    return {
      ...view,
      isReachable: true,
      status: { agent, logState, entries, liveBytes, quotaBytes, damagedEntries, uptimeMs, peers },
    };
  } catch (error) {
    throwIfAborted(signal);
    const { code, message } = toStoreError(error, 'INTERNAL', 'node-status');
    return { ...view, isReachable: false, error: { code, message } };
  }
}
