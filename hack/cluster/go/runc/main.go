// runc for a machine that withholds CAP_SYS_RESOURCE. Docker before 23 asks for
// every capability it knows when a container is privileged, and is refused all
// of them; this asks for the rest, then becomes the real runc ($REAL_RUNC).
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

const withheld = "CAP_SYS_RESOURCE"

type object = map[string]any

func main() {
	if err := askForLess(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "runc wrapper:", err)
		os.Exit(1)
	}
	real := os.Getenv("REAL_RUNC")
	err := syscall.Exec(real, append([]string{"runc"}, os.Args[1:]...), os.Environ())
	fmt.Fprintln(os.Stderr, "runc wrapper:", real, err)
	os.Exit(1)
}

// askForLess edits the file that the arguments name: a bundle's configuration
// (create, run), or the description of one process (exec).
func askForLess(args []string) error {
	for i, arg := range args[:len(args)-1] {
		switch arg {
		case "--bundle", "-b":
			return edit(filepath.Join(args[i+1], "config.json"), func(config object) object {
				process, _ := config["process"].(object)
				return process
			})
		case "--process", "-p":
			return edit(args[i+1], func(process object) object { return process })
		}
	}
	return nil
}

func edit(path string, processOf func(object) object) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var whole object
	if err := json.Unmarshal(text, &whole); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	drop(processOf(whole))
	if text, err = json.Marshal(whole); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func drop(process object) {
	sets, _ := process["capabilities"].(object)
	for name, set := range sets {
		names, _ := set.([]any)
		sets[name] = slices.DeleteFunc(names, func(one any) bool { return one == withheld })
	}
}
