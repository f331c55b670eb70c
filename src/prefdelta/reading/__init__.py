"""What a study holds, found and joined for whoever looks at it: the pair browser, the page, the shell, exports."""
