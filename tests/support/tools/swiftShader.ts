import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Folders of Chromium's packages with SwiftShader, a Vulkan driver that needs no GPU; `SWIFTSHADER` names another. */
const FOLDERS = [process.env['SWIFTSHADER'], '/usr/lib/chromium', '/usr/lib/chromium-browser', '/opt/google/chrome'];
const FILES = ['libvk_swiftshader.so', 'vk_swiftshader_icd.json'];

const folder = FOLDERS.find((each): each is string => each !== undefined && FILES.every((name) => existsSync(join(each, name))));

/**
 * Variables by which a process finds SwiftShader, and Chromium's Vulkan loader when the system has none. They must be set before it starts.
 * Absent when this machine has none.
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

/** Reason why WebGPU tests are skipped here. */
export const NO_SWIFTSHADER =
  'no SwiftShader on this machine: install Chromium (on Debian: apt-get install chromium), or name its folder in SWIFTSHADER';
