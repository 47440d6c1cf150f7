// Entry of a program without an operating system, on one 64-bit processor that an emulator has: for instruction sets that no machine here
// has. Multiboot (version 1) loads it at 1 MiB and enters it in protected mode.

.set SAVED, 0x600e7            // XCR0: x87, SSE, AVX, AVX-512, tiles
.set PAGES, 0x10000            // three tables of 4 KiB
.set THREAD, 0x30000           // thread-local variables are in the 4 KiB below this address
.set MAGIC, 0x1BADB002
.set FLAGS, 0x00010003         // page alignment, memory map, addresses below

.section .boot, "ax"
.code32
header:
  .long MAGIC, FLAGS, -(MAGIC + FLAGS)
  .long header, header, data_end, bss_end, enter
enter:
  cli
  // The first GiB is mapped to itself, in pages of 2 MiB.
  mov $PAGES, %edi
  xor %eax, %eax
  mov $0x3000, %ecx
  rep stosb
  movl $(PAGES + 0x1003), PAGES
  movl $(PAGES + 0x2003), PAGES + 0x1000
  mov $0x83, %eax
  mov $(PAGES + 0x2000), %edi
  mov $512, %ecx
1:mov %eax, (%edi)
  add $0x200000, %eax
  add $8, %edi
  loop 1b
  mov %cr4, %eax
  or $0x40620, %eax            // PAE, SSE and its exceptions, XSAVE
  mov %eax, %cr4
  mov $PAGES, %eax
  mov %eax, %cr3
  mov $0xC0000080, %ecx        // EFER: long mode
  rdmsr
  or $0x100, %eax
  wrmsr
  mov %cr0, %eax
  and $~4, %eax                // no emulation of x87
  or $0x80000003, %eax         // paging
  mov %eax, %cr0
  lgdt descriptors_at
  ljmp $8, $enter64

.align 8
descriptors: .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff
descriptors_at: .word 23
  .long descriptors

.code64
enter64:
  mov $16, %ax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  mov %ax, %fs
  xor %ecx, %ecx
  xor %edx, %edx
  mov $SAVED, %eax
  xsetbv
  mov $0xC0000100, %ecx        // FS base
  mov $THREAD, %eax
  xor %edx, %edx
  wrmsr
  mov $(THREAD - 0x1000), %edi
  xor %eax, %eax
  mov $0x1000, %ecx
  rep stosb
  movq $THREAD, THREAD
  mov $stack_top, %rsp
  call bare_main
2:hlt
  jmp 2b

.bss
.align 64
.skip 0x400000
stack_top:
