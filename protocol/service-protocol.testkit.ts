/**
 * The messages of the service protocol a second time, for tests: written by hand from the protocol's
 * description and not from `schema.ts`, so that a wrong number or kind there has a witness, and compiled for
 * @bufbuild/protobuf, whose encoder and decoder judge ours.
 */
import { create, createFileRegistry, type DescMessage, type Message } from '@bufbuild/protobuf';
import {
  type FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';

const NOTIFICATION = 'id{u32 completion_id=1 | u32 signal_id=2 | str signal_name=3}';

/** `[code] Name: fields`; `?` is optional, `*` repeated, `name{a | b}` a oneof. */
const DESCRIPTION = `
Void:
Value: bytes content=1
Failure: u32 code=1, str message=2, FailureMetadata* metadata=3
FailureMetadata: str key=1, str value=2
Header: str key=1, str value=2
StateEntry: bytes key=1, bytes value=2
StateKeys: bytes* keys=1
WorkflowTarget: str workflow_name=1, str workflow_key=2, str? scope=3
IdempotentRequestTarget: str service_name=1, str? service_key=2, str handler_name=3, str idempotency_key=4, str? scope=5
Future: u32* waiting_completions=1, u32* waiting_signals=2, str* waiting_named_signals=3, Future* nested_futures=4, enum combinator_type=5

0000 Start: bytes id=1, str debug_id=2, u32 known_entries=3, StateEntry* state_map=4, bool partial_state=5, str key=6, u32 retry_count_since_last_stored_entry=7, u64 duration_since_last_stored_entry=8, u64 random_seed=9, str? scope=10, str? limit_key=11, str? idempotency_key=12
0001 Suspension: u32* waiting_completions=1, u32* waiting_signals=2, str* waiting_named_signals=3, Future awaiting_on=4
0002 Error: u32 code=1, str message=2, str stacktrace=3, u32? related_command_index=4, str? related_command_name=5, u32? related_command_type=6, u64? next_retry_delay=8, enum behavior=9
0003 End:
0004 CommandAck: u32 command_index=1
0005 ProposeRunCompletion: u32 result_completion_id=1, result{bytes value=14 | Failure failure=15}
0006 AwaitingOn: Future awaiting_on=1, bool executing_side_effects=2
0007 ProposeRunCompletionAck: u32 completion_id=1

0400 InputCommand: Header* headers=1, Value value=14, str name=12
0401 OutputCommand: result{Value value=14 | Failure failure=15}, str name=12
0402 GetLazyStateCommand: bytes key=1, u32 result_completion_id=11, str name=12
0403 SetStateCommand: bytes key=1, Value value=3, str name=12
0404 ClearStateCommand: bytes key=1, str name=12
0405 ClearAllStateCommand: str name=12
0406 GetLazyStateKeysCommand: u32 result_completion_id=11, str name=12
0407 GetEagerStateCommand: bytes key=1, result{Void void=13 | Value value=14}, str name=12
0408 GetEagerStateKeysCommand: StateKeys value=14, str name=12
0409 GetPromiseCommand: str key=1, u32 result_completion_id=11, str name=12
040a PeekPromiseCommand: str key=1, u32 result_completion_id=11, str name=12
040b CompletePromiseCommand: str key=1, completion{Value completion_value=2 | Failure completion_failure=3}, u32 result_completion_id=11, str name=12
040c SleepCommand: u64 wake_up_time=1, u32 result_completion_id=11, str name=12
040d CallCommand: str service_name=1, str handler_name=2, bytes parameter=3, Header* headers=4, str key=5, str? idempotency_key=6, str? scope=7, str? limit_key=8, u32 invocation_id_notification_idx=10, u32 result_completion_id=11, str name=12
040e OneWayCallCommand: str service_name=1, str handler_name=2, bytes parameter=3, u64 invoke_time=4, Header* headers=5, str key=6, str? idempotency_key=7, str? scope=8, str? limit_key=9, u32 invocation_id_notification_idx=10, str name=12
0410 SendSignalCommand: str target_invocation_id=1, signal_id{u32 idx=2 | str name=3}, result{Void void=4 | Value value=5 | Failure failure=6}, str entry_name=12
0411 RunCommand: u32 result_completion_id=11, str name=12
0412 AttachInvocationCommand: target{str invocation_id=1 | IdempotentRequestTarget idempotent_request_target=3 | WorkflowTarget workflow_target=4}, u32 result_completion_id=11, str name=12
0413 GetInvocationOutputCommand: target{str invocation_id=1 | IdempotentRequestTarget idempotent_request_target=3 | WorkflowTarget workflow_target=4}, u32 result_completion_id=11, str name=12
0414 CompleteAwakeableCommand: str awakeable_id=1, result{Value value=2 | Failure failure=3}, str name=12

${[
  '8002 GetLazyStateCompletion',
  '8006 GetLazyStateKeysCompletion',
  '8009 GetPromiseCompletion',
  '800a PeekPromiseCompletion',
  '800b CompletePromiseCompletion',
  '800c SleepCompletion',
  '800d CallCompletion',
  '800e CallInvocationIdCompletion',
  '8011 RunCompletion',
  '8012 AttachInvocationCompletion',
  '8013 GetInvocationOutputCompletion',
  'fbff SignalNotification',
]
  .map(
    name =>
      `${name}: ${NOTIFICATION}, result{Void void=4 | Value value=5 | Failure failure=6 | str invocation_id=16 | StateKeys state_keys=17}`,
  )
  .join('\n')}
`;

const SCALARS: { readonly [name: string]: Type } = {
  str: Type.STRING,
  bytes: Type.BYTES,
  bool: Type.BOOL,
  u32: Type.UINT32,
  u64: Type.UINT64,
};

type FieldProto = Parameters<typeof create<typeof FieldDescriptorProtoSchema>>[1];

function parseField(text: string, more: object): NonNullable<FieldProto> {
  const match = /^(\w+)([?*]?) (\w+)=(\d+)$/.exec(text.trim());
  if (match === null) throw new Error(`cannot parse ${text}`);
  const [, type = '', mark, name = '', number] = match;
  const scalar = SCALARS[type];
  const typed =
    scalar !== undefined
      ? { type: scalar }
      : type === 'enum'
        ? { type: Type.ENUM, typeName: '.Enum' }
        : { type: Type.MESSAGE, typeName: `.${type}` };
  const label = mark === '*' ? Label.REPEATED : Label.OPTIONAL;
  return { name, number: Number(number), label, ...typed, ...more };
}

function parseMessage(name: string, text: string) {
  const oneofDecl: { name: string }[] = [];
  const field: NonNullable<FieldProto>[] = [];
  for (const [part] of text.matchAll(/\s*\w+\{[^}]*\}|[^,{}]+/g)) {
    const group = /^(\w+)\{(.*)\}$/.exec(part.trim());
    if (group !== null) {
      const oneofIndex = oneofDecl.push({ name: group[1] ?? '' }) - 1;
      for (const member of (group[2] ?? '').split('|')) field.push(parseField(member, { oneofIndex }));
    } else if (part.trim() !== '') field.push(parseField(part, {}));
  }
  // What proto3 `optional` is on the inside; such oneofs come after the real ones.
  const optional = [...text.matchAll(/\? (\w+)=/g)].map(match => match[1]);
  for (const each of field) {
    if (!optional.includes(each.name)) continue;
    each.proto3Optional = true;
    each.oneofIndex = oneofDecl.push({ name: `_${each.name}` }) - 1;
  }
  return { name, field, oneofDecl };
}

const lines = [...DESCRIPTION.matchAll(/^(?:([0-9a-f]{4}) )?(\w+):(.*)$/gm)];
const registry = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: 'service-protocol.proto',
    syntax: 'proto3',
    enumType: [{ name: 'Enum', value: [{ name: 'ZERO', number: 0 }] }],
    messageType: lines.map(([, , name = '', text = '']) => parseMessage(name, text)),
  }),
  () => undefined,
);

function descriptor(name: string): DescMessage {
  const found = registry.getMessage(name);
  if (found === undefined) throw new Error(`no message ${name}`);
  return found;
}

/** Every frame type: code, name and descriptor. */
export const frameTypes: readonly {
  readonly type: number;
  readonly name: string;
  readonly desc: DescMessage;
}[] = lines.flatMap(([, code, name = '']) =>
  code === undefined ? [] : [{ type: Number.parseInt(code, 16), name, desc: descriptor(name) }],
);

export type OracleMessage = Message & { readonly [field: string]: unknown };

/** u64 fields that are identities and hence exact; the others are times. */
const EXACT = 'randomSeed';

/** A message of the oracle in the shape that our decoder gives it. */
export function toOurs(desc: DescMessage, message: OracleMessage): unknown {
  if (desc.name === 'Void') return true;
  if (desc.name === 'Value') return message['content'];
  const ours: { [field: string]: unknown } = {};
  for (const field of desc.fields) {
    const oneof = field.oneof === undefined ? undefined : (message[field.oneof.localName] as OneofCase);
    const value =
      oneof === undefined
        ? message[field.localName]
        : oneof.case === field.localName
          ? oneof.value
          : undefined;
    // Unset optional fields are inherited as defaults by the oracle's message.
    if (value === undefined || (field.proto.proto3Optional && !Object.hasOwn(message, field.localName)))
      continue;
    const nested = field.message;
    if (nested === undefined) ours[field.localName] = scalarToOurs(field.localName, value);
    else if (Array.isArray(value)) ours[field.localName] = value.map(each => toOurs(nested, each));
    else ours[field.localName] = toOurs(nested, value as OracleMessage);
  }
  return ours;
}

type OneofCase = { readonly case: string | undefined; readonly value?: unknown };

function scalarToOurs(name: string, value: unknown): unknown {
  if (typeof value !== 'bigint' || name === EXACT) return value;
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}
