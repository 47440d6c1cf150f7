import { createRequire } from 'node:module';
import type { PackageDefinition } from '@grpc/proto-loader';

/** The part of descriptor.proto used here. */
interface Descriptor {
  name: string;
  readonly field: { readonly name: string; typeName?: string }[];
  readonly nestedType: Descriptor[];
  readonly options?: { readonly mapEntry?: boolean } | null;
}
interface FileDescriptor {
  readonly messageType: Descriptor[];
}
interface FileCodec {
  decode(bytes: Uint8Array): FileDescriptor;
  encode(file: FileDescriptor): { finish(): Uint8Array };
}

/** Loads the codec by which @grpc/reflection reads the files: that of its own protobufjs. */
function fileCodec(): FileCodec {
  const require = createRequire(createRequire(import.meta.url).resolve('@grpc/reflection'));
  return (require('protobufjs/ext/descriptor') as { readonly FileDescriptorProto: FileCodec }).FileDescriptorProto;
}

/**
 * Renames map entries in definitions as protoc names them: `ResultsEntry` for the field `results`. protobufjs names it `Results`, which
 * current clients of the reflection service, such as grpcurl 1.9, refuse to read, and with it every service of the file.
 */
export function withMapEntryNames(definition: PackageDefinition): PackageDefinition {
  const codec = fileCodec();
  const renamed = new Map<Buffer, Buffer>();
  const rename = (bytes: Buffer): Buffer => {
    const known = renamed.get(bytes);
    if (known !== undefined) return known;
    const file = codec.decode(bytes);
    for (const message of file.messageType) renameEntries(message);
    const result = Buffer.from(codec.encode(file).finish());
    renamed.set(bytes, result);
    return result;
  };
  const entries = Object.entries(definition).map(([name, each]) => {
    const { fileDescriptorProtos: files } = each;
    return [name, Array.isArray(files) ? { ...each, fileDescriptorProtos: files.map(rename) } : each] as const;
  });
  return Object.fromEntries(entries) as PackageDefinition;
}

function renameEntries(message: Descriptor): void {
  for (const nested of message.nestedType) {
    renameEntries(nested);
    if (nested.options?.mapEntry !== true) continue;
    const before = nested.name;
    for (const field of message.field) {
      const { typeName = '' } = field;
      if (typeName !== before && !typeName.endsWith(`.${message.name}.${before}`)) continue;
      nested.name = entryName(field.name);
      field.typeName = `${typeName.slice(0, typeName.length - before.length)}${nested.name}`;
    }
  }
}

/** Returns protoc's name: each word of the field is capitalised (descriptor.proto, `map_entry`). */
function entryName(field: string): string {
  return `${field.replace(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())}Entry`;
}
