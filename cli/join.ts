// `store join`: uses an invitation, as a node (which the founder admits) or as a client (which needs nobody's leave).

import { resolve } from 'node:path';
import type { NetworkDescription } from '../src/client/types.ts';
import type { JoinStep } from '../src/node/join.ts';
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
  details: `The code comes from "store invite", with the tokens that the node bonds. If this
is interrupted, run it again: it goes on where it was. Afterwards run the node
with "store node"; it becomes a member two epochs later. For a further node of
an operator, copy its operator.key into the data folder first.`,
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
  const { descriptionFromCode } = await import('../src/node/invite.ts');
  const { joinNetwork } = await import('../src/node/join.ts');
  const { createStore } = await import('../src/client/store.ts');
  const { toHex } = await import('../src/base/bytes.ts');

  const description = descriptionFromCode(code);
  await refuseOtherNetwork(home, description.network, flags.force === true);
  const operator = flags.operator ?? defaultOperator();
  const config = { ...newNodeConfig(flags), operator };
  const store = await createStore({ home, network: networkOf(description, config.presharedKeyFile), signal });
  try {
    const joined = await joinNetwork({
      folder: nodeFolderOf(home, flags.dir),
      code,
      config,
      chain: await store.chain({ signal }),
      signal,
      onStep: (step) => {
        const said = STEPS[step];
        if (said !== undefined) output.note(said);
      },
    });
    await adoptNetwork(home, description, config.presharedKeyFile);
    const { folder, identity, account, founding, bonded, epoch, memberFrom, validatorFrom } = joined;
    output.result(`joined network ${description.name} ${description.network}`, {
      ...description,
      node: toHex(identity.nodeId),
      operator,
      account: toHex(account),
      dir: folder.path,
      isTrial: founding.signed.record.params.isTrial,
      bonded: String(bonded),
      epoch,
      memberFrom,
      validatorFrom: validatorFrom ?? null,
    });
    const where = flags.dir === undefined ? '' : ` --dir ${folder.path}`;
    const votes =
      validatorFrom === undefined ? '' : ', and a validator as soon as there is room for its stake';
    output.note(`a member from epoch ${memberFrom} on${votes}; epoch ${epoch} runs now`);
    output.note(`data folder ${folder.path}; next, before that: store node${where}`);
  } finally {
    await store.close();
  }
  return undefined;
}

const STEPS: Readonly<Record<JoinStep, string | undefined>> = {
  folder: 'making the data folder and its keys',
  tokens: "taking the tokens of the invitation into the operator's account",
  register: 'registering the node with its stake',
  beacon: 'committing to its reveals',
  done: undefined,
};

function networkOf(description: NetworkDescription, presharedKeyFile = ''): NetworkDescription {
  return presharedKeyFile === '' ? description : { ...description, presharedKeyFile };
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
  const store = await createStore({ home, network: networkOf(description, presharedKeyFile), signal });
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
