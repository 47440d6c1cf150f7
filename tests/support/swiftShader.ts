import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where Chromium's packages keep SwiftShader, a Vulkan driver that needs no GPU; `SWIFTSHADER` names another folder. */
const FOLDERS = [process.env['SWIFTSHADER'], '/usr/lib/chromium', '/usr/lib/chromium-browser', '/opt/google/chrome'];
const FILES = ['libvk_swiftshader.so', 'vk_swiftshader_icd.json'];

const folder = FOLDERS.find((each): each is string => each !== undefined && FILES.every((name) => existsSync(join(each, name))));

/**
 * Variables with which a process finds SwiftShader, and the Vulkan loader that Chromium brings where the system has none. They must be
 * there before it starts. Absent where this machine has none.
 */
export const SWIFTSHADER_ENV: Readonly<Record<string, string>> | undefined =
  folder === undefined
    ? undefined
    : {
        VK_DRIVER_FILES: join(folder, 'vk_swiftshader_icd.json'),
        VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json'),
        LD_LIBRARY_PATH: [process.env['LD_LIBRARY_PATH'], folder].filter(Boolean).join(':'),
        XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? tmpdir(),
      };

/** Why tests of WebGPU do not run here. */
export const NO_SWIFTSHADER =
  'no SwiftShader on this machine: install Chromium (on Debian: apt-get install chromium), or name its folder in SWIFTSHADER';
