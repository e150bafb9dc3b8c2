// `store join`: uses an invitation, as a node (which the founder admits) or as a client (which needs nobody's leave).

import { resolve } from 'node:path';
import { parseText } from './args.ts';
import type { CommandSpec, Context } from './command.ts';
import { NODE_OPTIONS, type NodeFlags } from './node-folder.ts';

interface JoinFlags extends NodeFlags {
  readonly client?: boolean;
  readonly force?: boolean;
}

export const join: CommandSpec = {
  name: 'join',
  summary: 'join a network by an invitation, as a node or only to put and get',
  operands: '<code>',
  options: [
    { flags: '--client', help: 'no node here: only put, get and the like; uses up no invitation' },
    ...NODE_OPTIONS,
    {
      flags: '--psk <file>',
      help: 'the pre-shared network key, where the network has one',
      parse: parseText,
    },
    { flags: '-f, --force', help: "replace the home's network" },
  ],
  details: `The code comes from "store invite". Afterwards run the node with "store node".`,
  run: (context, [code], flags) =>
    flags['client'] === true
      ? joinAsClient(context, code!, flags as JoinFlags)
      : joinAsNode(context, code!, flags as JoinFlags),
};

async function joinAsNode(
  { output, home, signal }: Context,
  code: string,
  flags: JoinFlags,
): Promise<undefined> {
  const { defaultOperator, newNodeConfig, nodeFolderOf } = await import('./node-folder.ts');
  const { adoptNetwork, refuseOtherNetwork } = await import('./home-network.ts');
  const { descriptionFromCode, joinNetwork } = await import('../src/node/invite.ts');
  const { toHex } = await import('../src/base/bytes.ts');

  const description = descriptionFromCode(code);
  await refuseOtherNetwork(home, description.network, flags.force === true);
  const operator = flags.operator ?? defaultOperator();
  const config = { ...newNodeConfig(flags), operator };
  const { folder, identity, account, epoch } = await joinNetwork({
    folder: nodeFolderOf(home, flags.dir),
    code,
    config,
    signal,
  });
  await adoptNetwork(home, description, config.presharedKeyFile);
  output.result(`joined network ${description.name} ${description.network}`, {
    ...description,
    node: toHex(identity.nodeId),
    operator,
    account: toHex(account),
    dir: folder.path,
    isTrial: epoch.record.params.isTrial,
  });
  const where = flags.dir === undefined ? '' : ` --dir ${folder.path}`;
  output.note(`data folder ${folder.path}; next: store node${where}`);
  return undefined;
}

/** Believes the code only after a node of that network answered. */
async function joinAsClient(
  { output, home, signal }: Context,
  code: string,
  flags: JoinFlags,
): Promise<undefined> {
  const { adoptNetwork, refuseOtherNetwork } = await import('./home-network.ts');
  const { descriptionFromCode } = await import('../src/node/invite.ts');
  const { createStore } = await import('../src/client/store.ts');
  const { plural } = await import('./format.ts');

  const description = descriptionFromCode(code);
  await refuseOtherNetwork(home, description.network, flags.force === true);
  const presharedKeyFile = flags.psk === undefined ? '' : resolve(flags.psk);
  const network = presharedKeyFile === '' ? description : { ...description, presharedKeyFile };
  const store = await createStore({ home, network, signal });
  try {
    const { members, isTrial } = await store.network({ signal });
    await adoptNetwork(home, description, presharedKeyFile);
    output.result(`joined network ${description.name} ${description.network} as a client`, {
      ...description,
      members: members.length,
      isTrial,
    });
    output.note(`it has ${plural(members.length, 'member')}; next: store put FILE`);
  } finally {
    await store.close();
  }
  return undefined;
}
