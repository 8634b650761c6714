/**
 * The commands this SDK issues, with what their users call them: the machine looks for recorded ones here when it says
 * how the code departed from its journal. Each kind of service has its own, so that a bundle has those it uses.
 */
import {
  AttachByIdCommand,
  CallCommand,
  CompleteAwakeableCommand,
  type Encodable,
  type Fields,
  type MessageSpec,
  OneWayCallCommand,
  OutputCommand,
  RunCommand,
  SendSignalCommand,
  SleepCommand,
} from '@holdfast/protocol';

/** What a verb passes; the machine fills in the completion ids. */
export type CommandInput<F extends Fields> = Omit<
  Encodable<F>,
  'resultCompletionId' | 'invocationIdNotificationIdx'
>;

export type Commands = readonly (readonly [name: string, spec: MessageSpec<Fields>])[];

/** Of every context. */
export const COMMANDS: Commands = [
  ['output', OutputCommand],
  ['sleep', SleepCommand],
  ['run', RunCommand],
  ['call', CallCommand],
  ['one way call', OneWayCallCommand],
  ['attach invocation', AttachByIdCommand],
  ['send signal', SendSignalCommand],
  ['complete awakeable', CompleteAwakeableCommand],
];
